"""What decides the outcome of preprocessing, as frozen values."""

from __future__ import annotations

from pathlib import Path

from backends.core.frozen import dataclass
from backends.core.model_io import KINETICS, Channels


@dataclass(frozen=True, slots=True)
class PreprocessParams:
    """Of the stage `preprocess`. Defaults are the reference's numbers."""

    subset: str = "validation"
    clip_frames: int = 16
    clip_stride: int = 16
    size: int = 112
    max_clips: int = 10
    """Clips of a video beyond this are cut."""
    mean: Channels = KINETICS.mean
    std: Channels = KINETICS.std
    write_bins: bool = False
    """Also write the guide's `.bin` files and `hmdb51.info`."""


@dataclass(frozen=True, slots=True)
class StepParams:
    """Of `step preprocess`: the guide's options, which subset it is, and where `hmdb51.info` goes."""

    video_path: Path
    annotation_path: Path
    output_path: Path
    info_path: Path = Path("hmdb51.info")
    dataset: str = "hmdb51"
    inference_batch_size: int = 1
    subset: str = "validation"
