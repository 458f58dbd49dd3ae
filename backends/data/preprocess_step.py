"""`step preprocess`: the guide's preprocess script by its own options: frames and json to `.bin` files and an info."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.codec import decode
from backends.core.errors import InputError, StageError
from backends.core.events import Outcome
from backends.core.files import make_folder
from backends.core.messages import N_
from backends.data.annotation import read_annotation
from backends.data.clip_extraction import extract
from backends.data.guide_files import bin_path, write_bin, write_info
from backends.data.preprocess import header, subset
from backends.data.preprocess_params import PreprocessParams, StepParams
from backends.device import clip_kernels
from backends.worker.job import Job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DATASETS = ("hmdb51", "ucf101", "kinetics")
"""Those of the reference whose frames lie as `<class>/<video>/image_%05d.jpg` under a json of the same form."""


def step_preprocess(job: Job) -> Outcome:
    """Write `<video id>.bin` for each of the subset's videos that has frames, and the info file.

    A `.bin` is float32 (10, 3, 16, 112, 112): clips beyond ten cut, fewer than ten padded with zeros. Videos without
    frames, or with frames that cannot be used, are set aside and not in the info file.
    """
    given, params = decode(StepParams, dict(job.params)), PreprocessParams()
    _check(given)
    annotation = read_annotation(given.annotation_path)
    for entry in annotation.set_aside:
        job.set_aside(entry.item, entry.reason)
    videos = subset(annotation, given.annotation_path, given.subset)
    for folder in (given.output_path, given.info_path.absolute().parent):
        make_folder(folder)
    begun, clips, info = time.monotonic(), 0, []
    workers = int(job.tuning.get("workers", 0))
    writer = _BinWriter(given.output_path, params)
    with contextlib.closing(extract(videos, given.video_path, params, workers)) as extracted:
        for done, made in enumerate(extracted, start=1):
            if made.clips is None:
                job.set_aside(made.video.id, made.trouble)
            else:
                writer.write(made.video.id, made.clips)
                info.append((made.video.id, made.clips_before_cut))
                clips += len(made.clips)
            rate = done / (time.monotonic() - begun)
            job.progress(done, len(videos), "videos", rate=rate, figures={"clips": clips})
            job.check_stop()
    if not info:
        hint = N_("frames are expected as <class>/<video>/image_00001.jpg")
        raise StageError("{path}: no video could be used", hint=hint, path=str(given.video_path))
    write_info(given.info_path, info)
    before, seconds = sum(count for _, count in info), time.monotonic() - begun
    return Outcome({"videos": len(info), "clips": clips, "clips_before_cut": before, "clips_per_s": clips / seconds})


class _BinWriter:
    """Writes `.bin` files from one buffer of rows that it fills anew for each video."""

    def __init__(self, folder: Path, params: PreprocessParams) -> None:
        import numpy as np

        self._folder = folder
        self._levels = clip_kernels.levels(params.mean, params.std)
        self._rows = np.zeros((params.max_clips, *header(params).shape), np.float32)

    def write(self, video_id: str, clips: NDArray[np.uint8]) -> None:
        """One video's uint8 clips, normalised, and zeros up to the last row."""
        for row, clip in zip(self._rows, clips, strict=False):
            clip_kernels.normalise(clip, self._levels, row)
        self._rows[len(clips) :] = 0
        write_bin(bin_path(self._folder, video_id), self._rows)


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
        hint = N_("give the folder of frames, <class>/<video>/image_00001.jpg")
        raise InputError("--video_path={path}: no such folder", hint=hint, path=str(given.video_path))
