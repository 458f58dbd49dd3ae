"""The stages frames, annotate and preprocess for the pipeline: what they read and need. It imports none of the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from backends.core.messages import line
from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import DatasetSettings, Settings
from backends.data.preprocess_params import PreprocessParams


def _plan_frames(settings: Settings) -> Stage:
    dataset, pre = settings.dataset, settings.preprocess
    given = dataset.frames
    clips = {"frames": pre.clip_frames, "stride": pre.clip_stride, "most": pre.max_clips}
    needed = {"subset": dataset.subset, "split": dataset.split, "share": dataset.share, "clips": clips}
    return Stage(
        name="frames",
        entry="backends.data.frames:run",
        version=2,
        params={"size": 240, **needed},
        adds=tuple(needed),
        tuning={"workers": pre.workers},
        kept=True,
        inputs={} if given else {**({"videos": dataset.videos} if dataset.videos else {}), **_labelling(dataset)},
        needs=(module("av"), module("numpy"), module("cv2", "opencv-python-headless")),
        skip=line("the frames are there already: {path}", path=str(given)) if given else None,
    )


def _plan_annotate(settings: Settings) -> Stage:
    dataset = settings.dataset
    inputs = _labelling(dataset)
    params: dict[str, Any] = {"subset": dataset.subset}
    if "splits" in inputs:
        params["split"] = dataset.split
    if not inputs:
        params |= {"classes": settings.model.classes, "share": dataset.share}
    if dataset.frames:
        inputs["frames"] = dataset.frames
    if dataset.labels != "auto":
        inputs["labels"] = Path(dataset.labels)
    return Stage(
        name="annotate",
        entry="backends.data.annotate:run",
        version=3,
        params=params,
        inputs=inputs,
    )


def _preprocess(settings: Settings) -> Stage:
    pre, frames = settings.preprocess, settings.dataset.frames
    params = PreprocessParams(
        subset=settings.dataset.subset,
        clip_frames=pre.clip_frames,
        clip_stride=pre.clip_stride,
        size=pre.size,
        max_clips=pre.max_clips,
        mean=pre.normalization.mean,
        std=pre.normalization.std,
        write_bins=settings.infer.layout == "guide",
    )
    return Stage(
        name="preprocess",
        entry="backends.data.preprocess:run",
        version=2,
        params=asdict(params),
        kept=True,
        adds=("write_bins",),
        tuning={"workers": pre.workers},
        inputs={} if frames is None else {"frames": frames},
        needs=(module("numpy"), module("simplejpeg"), module("PIL", "pillow")),
    )


def _labelling(dataset: DatasetSettings) -> dict[str, Path]:
    """The annotation, or else the lists, or nothing."""
    if dataset.annotation:
        return {"annotation": dataset.annotation}
    return {"splits": dataset.splits} if dataset.splits else {}


FRAMES = StageSpec("frames", {"check": Reads()}, _plan_frames)
"""Videos to folders of JPEG files."""

ANNOTATE = StageSpec("annotate", {"check": Reads(), "frames": Reads(("frames", "index"))}, _plan_annotate)
"""Labels and segments in the reference's form."""

PREPROCESS = StageSpec(
    "preprocess",
    {"check": Reads(), "frames": Reads(("frames",)), "annotate": Reads(("annotation",))},
    _preprocess,
)
"""Frames to a clip store."""
