"""`step preprocess`: the guide's preprocess script by its own options: frames and json to `.bin` files and an info."""

from __future__ import annotations

import contextlib
import time

from backends.core.codec import decode
from backends.core.errors import InputError, StageError
from backends.core.events import Outcome
from backends.core.files import make_folder
from backends.core.messages import N_
from backends.data.annotation import read_annotation
from backends.data.clip_extraction import extract
from backends.data.data_specs import PreprocessParams, StepParams
from backends.data.datasets import named
from backends.data.guide_files import BinWriter, write_info
from backends.data.preprocess import subset
from backends.worker.job import Job


def step_preprocess(job: Job) -> Outcome:
    """Write `<video id>.bin` for each of the subset's videos that has frames, and the info file.

    A `.bin` is float32 (10, 3, 16, 112, 112): clips beyond ten cut, fewer than ten padded with zeros. Videos without
    frames, or with frames that cannot be used, are skipped and not in the info file.
    """
    given, params = decode(StepParams, dict(job.params)), PreprocessParams()
    _check(given)
    annotation = read_annotation(given.annotation_path)
    for entry in annotation.skipped_in(given.subset):
        job.set_aside(entry.item, entry.reason)
    videos = subset(annotation, given.annotation_path, given.subset)
    for folder in (given.output_path, given.info_path.absolute().parent):
        make_folder(folder)
    begun, clips, info = time.monotonic(), 0, []
    workers = int(job.tuning.get("workers", 0))
    frames = contextlib.closing(extract(videos, given.video_path, params, workers))
    with BinWriter(given.output_path, params) as writer, frames as extracted:
        for done, made in enumerate(extracted, start=1):
            if made.clips is None:
                job.set_aside(made.video.id, made.reason, is_temporary=made.is_temporary)
            else:
                writer.write(made.video.id, made.clips)
                info.append((made.video.id, made.clips_before_cut))
                clips += len(made.clips)
            rate = done / (time.monotonic() - begun)
            job.progress(done, len(videos), "videos", rate=rate, figures={"clips": clips})
            job.check_stop()
        writer.finish()
    if not info:
        hint = N_("frames are expected as <class>/<video>/image_00001.jpg")
        raise StageError("{path}: no video could be used", hint=hint, path=str(given.video_path))
    write_info(given.info_path, info)
    before, seconds = sum(count for _, count in info), time.monotonic() - begun
    return Outcome({"videos": len(info), "clips": clips, "clips_before_cut": before, "clips_per_s": clips / seconds})


def _check(given: StepParams) -> None:
    if given.inference_batch_size != 1:
        raise InputError(
            "--inference_batch_size={n}: only 1 can be written",
            hint="1 gives a .bin a video, of ten clips: the batch of 10 that the guide's model and ais_bench read",
            n=given.inference_batch_size,
        )
    named(given.dataset)  # refuses one that is not known; frames and json have the same form in all
    if not given.video_path.is_dir():
        hint = N_("give the folder of frames, <class>/<video>/image_00001.jpg")
        raise InputError("--video_path={path}: no such folder", hint=hint, path=str(given.video_path))
