"""What decides the outcome of each of this room's stages and steps, as frozen values that go through JSON."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from backends.core.model_io import ClipShape, Normalization
from backends.models.checkpoint import Wanted


class ExportParams(Struct, frozen=True):
    """Stage `export`."""

    wanted: Wanted = field(default_factory=Wanted)
    clip: ClipShape = field(default_factory=ClipShape)


class StepExportParams(Struct, frozen=True):
    """`step export`, named as the guide's `3D-ResNets_pth2onnx.py` names its options; paths are absolute.

    That script's other options (root_path, video_path, annotation_path, result_path, dataset) decide nothing here and
    are ignored where they are handed in.
    """

    resume_path: Path
    output: Path
    model: str = "resnet"
    model_depth: int | None = None
    """None, here and below: as the checkpoint says."""
    n_classes: int | None = None
    resnet_shortcut: str | None = None
    resnet_widen_factor: float | None = None
    conv1_t_size: int | None = None
    conv1_t_stride: int = 1
    no_max_pool: bool = False
    batch: int = 10
    sample_duration: int = 16
    """Frames of a clip."""
    sample_size: int = 112


class SimplifyParams(Struct, frozen=True):
    """Stage `simplify`."""

    uint8: Normalization | None = None
    """Make a second model as well, which takes bytes and normalises them so."""


class VerifyParams(Struct, frozen=True):
    """Stage `verify`: the thresholds are those of `settings.VerifySettings`."""

    wanted: Wanted = field(default_factory=Wanted)
    clips: int = 10
    max_abs: float = 1e-3
    cosine: float = 0.9999
    top1: float = 1.0
    runtime: str = "auto"
    """What infer will use: OpenVINO, where it is that (or `auto` and here), is held to the same limits."""
