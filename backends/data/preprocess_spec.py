"""What the preprocess stage is: names, params and needs. It imports none of its work."""

from __future__ import annotations

from dataclasses import asdict

from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import Settings
from backends.data.preprocess_params import PreprocessParams


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
        version=1,
        params=asdict(params),
        kept=True,
        adds=("write_bins",),
        tuning={"workers": pre.workers},
        inputs={} if frames is None else {"frames": frames},
        needs=(module("numpy"), module("simplejpeg"), module("PIL", "pillow")),
    )


PREPROCESS = StageSpec(
    "preprocess",
    {"check": Reads(), "frames": Reads(("frames",)), "annotate": Reads(("annotation",))},
    _preprocess,
)
