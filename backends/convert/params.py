"""What decides the outcome of each of this room's stages and steps, as frozen values that go through JSON."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Literal

from backends.contract.frozen import dataclass
from backends.convert.checkpoint import Wanted
from backends.convert.graph import ClipShape


@dataclass(frozen=True, slots=True)
class ExportParams:
    """Stage `export`."""

    wanted: Wanted = field(default_factory=Wanted)
    clip: ClipShape = field(default_factory=ClipShape)


@dataclass(frozen=True, slots=True)
class StepExportParams:
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


@dataclass(frozen=True, slots=True)
class Normal:
    """The reference's normalisation: ((u8 / 255) - mean) / std for each channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class SimplifyParams:
    """Stage `simplify`."""

    uint8: Normal | None = None
    """Make a second model as well, which takes bytes and normalises them so."""


@dataclass(frozen=True, slots=True)
class CompileTuning:
    """Of stage `compile`, what does not decide the `.om` by itself."""

    devices: tuple[int, ...] | None = None
    """Logic ids of the chips whose soc_version counts where none is set; None: all."""


@dataclass(frozen=True, slots=True)
class CompileParams:
    """Stage `compile`: atc's options beyond the model and its input."""

    soc_version: str | None = None
    """None: what npu-smi and CANN say of the chips."""
    precision_mode: str | None = None
    op_select_implmode: str | None = None
    log: str = "info"
    extra: tuple[str, ...] = ()
    clip: ClipShape = field(default_factory=ClipShape)
    input: Literal["float32", "uint8"] = "float32"
    """Which of simplify's models: the one of floats, or the one of bytes."""


@dataclass(frozen=True, slots=True)
class VerifyParams:
    """Stage `verify`: the thresholds are those of `settings.VerifySettings`."""

    wanted: Wanted = field(default_factory=Wanted)
    clips: int = 10
    max_abs: float = 1e-3
    cosine: float = 0.9999
    top1: float = 1.0
    runtime: str = "auto"
    """What infer will use: OpenVINO, where it is that (or `auto` and here), is held to the same limits."""
