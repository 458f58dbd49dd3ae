"""What decides the outcome of the compile stage, as frozen values that go through JSON."""

from typing import Literal

from msgspec import Struct, field

from backends.core.model_io import ClipShape


class CompileTuning(Struct, frozen=True):
    """Of stage `compile`, what does not decide the `.om` by itself."""

    devices: tuple[int, ...] | None = None
    """Logic ids of the chips whose soc_version counts where none is set; None: all."""


class CompileParams(Struct, frozen=True):
    """Stage `compile`: atc's options beyond the model and its input."""

    soc_version: str | None = None
    """None: what npu-smi and CANN report of the chips."""
    precision_mode: str | None = None
    op_select_implmode: str | None = None
    log: str = "info"
    extra: tuple[str, ...] = ()
    clip: ClipShape = field(default_factory=ClipShape)
    input: Literal["float32", "uint8"] = "float32"
    """Which of simplify's models: the one of floats, or the one of bytes."""
    input_format: Literal["NCHW", "ND", "NCDHW"] = "NCHW"
    input_shape: str | None = None
    """None: the model's own input and the clip's shape."""
    tune: Literal["off", "subgraph", "operator"] = "off"
