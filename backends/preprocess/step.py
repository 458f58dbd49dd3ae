"""`step preprocess`: the guide's preprocess script by its own options: frames and json to `.bin` files and an info."""

from __future__ import annotations

import contextlib
import time

from backends.contract.codec import decode
from backends.contract.errors import InputError, StageError
from backends.contract.events import Outcome
from backends.preprocess.bins import bin_path, write_bin, write_info
from backends.preprocess.extract import extract
from backends.preprocess.params import PreprocessParams, StepParams
from backends.preprocess.run import header, subset
from backends.stores import feed
from backends.stores.annotation import read_annotation
from backends.worker.job import Job

DATASETS = ("hmdb51", "ucf101", "kinetics")
"""Those of the reference whose frames lie as `<class>/<video>/image_%05d.jpg` under a json of the same form."""


def step_preprocess(job: Job) -> Outcome:
    """Write `<video id>.bin` for each validation video that has frames, and the info file.

    A `.bin` is float32 (10, 3, 16, 112, 112): clips beyond ten cut, fewer than ten padded with zeros. Videos without
    frames, or with frames that cannot be used, are set aside and not in the info file.
    """
    import numpy as np

    given, params = decode(StepParams, dict(job.params)), PreprocessParams()
    _check(given)
    for entry in read_annotation(given.annotation_path).set_aside:
        job.set_aside(entry.item, entry.reason)
    videos = subset(given.annotation_path, params.subset)
    given.output_path.mkdir(parents=True, exist_ok=True)
    levels = feed.levels(params.mean, params.std)
    rows = np.zeros((params.max_clips, *header(params).shape), np.float32)
    info: list[tuple[str, int]] = []
    clips, begun = 0, time.monotonic()
    workers = int(job.tuning.get("workers", 0))
    with contextlib.closing(extract(videos, given.video_path, params, workers)) as extracted:
        for done, made in enumerate(extracted, start=1):
            if made.clips is None:
                job.set_aside(made.video.id, made.trouble)
            else:
                for row, clip in zip(rows, made.clips, strict=False):
                    feed.normalise(clip, levels, row)
                rows[len(made.clips) :] = 0
                write_bin(bin_path(given.output_path, made.video.id), rows)
                info.append((made.video.id, made.clips_before_cut))
                clips += len(made.clips)
            rate = done / (time.monotonic() - begun)
            job.progress(done, len(videos), "videos", rate=rate, figures={"clips": clips})
            job.check_stop()
    if not info:
        hint = "frames are expected as <class>/<video>/image_00001.jpg"
        raise StageError("{path}: no video could be used", hint=hint, path=str(given.video_path))
    write_info(given.info_path, info)
    seconds = time.monotonic() - begun
    before = sum(count for _, count in info)
    return Outcome({"videos": len(info), "clips": clips, "clips_before_cut": before, "clips_per_s": clips / seconds})


def _check(given: StepParams) -> None:
    if given.inference_batch_size != 1:
        raise InputError(
            "--inference_batch_size={n}: only 1 can be written",
            hint="1 gives a .bin a video, of ten clips: the batch of 10 that the guide's model and ais_bench read",
            n=given.inference_batch_size,
        )
    if given.dataset not in DATASETS:
        known = ", ".join(DATASETS)
        raise InputError("--dataset={name}: not known", hint="one of {known}", name=given.dataset, known=known)
    if not given.video_path.is_dir():
        hint = "give the folder of frames, <class>/<video>/image_00001.jpg"
        raise InputError("--video_path={path}: no such folder", hint=hint, path=str(given.video_path))
