"""A device of a run, the shape of the model that it runs, and what its failure says about trying again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Literal

from backends.core.errors import InputError, StageError
from backends.core.frozen import dataclass
from backends.core.messages import N_, Fact

INPUT, OUTPUT = "input", "output"
"""Names of the model's ends: the guide's atc line and its scripts rely on them."""


@dataclass(frozen=True, slots=True)
class ClipShape:
    """What the model is made for: clips of `frames` x `size` x `size`, `batch` at a time."""

    batch: int = 10
    frames: int = 16
    size: int = 112

    @property
    def clip(self) -> Clip:
        """(channels, frames, height, width) of one clip."""
        return (CHANNELS, self.frames, self.size, self.size)


Clip = tuple[int, int, int, int]
"""Channels, frames, height, width."""
CHANNELS = 3
"""Of a clip: red, green, blue."""
CLIP_SHAPE = ClipShape().clip
"""Of the guide's clips, for what is not told another shape."""


Channels = tuple[float, float, float]
"""A number for each of red, green and blue."""


@dataclass(frozen=True, slots=True)
class Normalization:
    """What a model's input is made of: ((byte / 255) - mean) / std for each channel."""

    mean: Channels
    std: Channels


NORMALIZATIONS: Mapping[str, Normalization] = {
    "kinetics": Normalization((0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)),
    "activitynet": Normalization((0.4477, 0.4209, 0.3906), (0.2767, 0.2695, 0.2714)),
    "0.5": Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""The reference's presets (`mean.py`), by the name that its option `--mean_dataset` takes."""
KINETICS = NORMALIZATIONS["kinetics"]
"""The reference's default, which the guide uses."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device of a run: a chip, or a group of cores."""

    id: str
    """As people see it: `cpu:0`."""
    index: int = 0
    """The logic id that a runtime opens."""
    cores: tuple[int, ...] = ()
    """Cores that its process is pinned to; empty: not pinned."""
    options: Mapping[str, str | float | int | None] = field(default_factory=dict)
    """What one runtime alone understands."""
    name: str = ""
    """What it is: `310P3`; empty: its cores say it."""
    card: str | None = None
    """The card that it is on, by its NPU id; chips of one card may have one reading of power together."""


Course = Literal["again", "retry", "never"]
"""What a failed device is worth: a new process once no other is left, a new process at once (one time), none."""


class DeviceError(StageError):
    """A device failed, and what that says about trying again."""

    def __init__(
        self, template: str, /, *, hint: str = "", course: Course = "again", blame: bool = True, **facts: Fact
    ) -> None:
        super().__init__(template, hint=hint, **facts)
        self.course: Course = course
        self.blame = blame
        """The batch in compute may be the cause; False where the device itself is lost."""


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a model as its file tells it; a dimension of any size is None."""

    name: str
    shape: tuple[int | None, ...]
    kind: str
    """Element type, `float32`."""


def check_ports(model: Path, shape: Sequence[int], inputs: Sequence[Port], outputs: Sequence[Port]) -> int:
    """The number of classes of a model that takes batches of `shape`: (batch, channels, frames, height, width).

    Raises InputError with what the model has and what was wanted where an end has another name, type or shape.
    """
    _check_end(model, "input", inputs, Port(INPUT, tuple(shape), "float32"))
    _check_end(model, "output", outputs, Port(OUTPUT, (shape[0], None), "float32"))
    classes = outputs[0].shape[1]
    if not classes:
        hint = N_("export the model again")
        raise InputError("{path}: its output names no number of classes", hint=hint, path=str(model))
    return classes


def _check_end(model: Path, end: str, found: Sequence[Port], wanted: Port) -> None:
    fits = len(found) == 1 and found[0].name == wanted.name and found[0].kind == wanted.kind
    if fits and len(found[0].shape) == len(wanted.shape):
        pairs = zip(found[0].shape, wanted.shape, strict=True)
        if all(have is None or want is None or have == want for have, want in pairs):
            return
    text = N_("{path}: the model's {end} is {found}, not {wanted}")
    hint = N_("export the model again, or set infer.batch, preprocess.clip_frames and preprocess.size to the model's")
    shown = "; ".join(map(_show, found)) or "nothing"
    raise InputError(text, hint=hint, path=str(model), end=end, found=shown, wanted=_show(wanted))


def _show(port: Port) -> str:
    return f"{port.name} {port.kind} {'x'.join('?' if n is None else str(n) for n in port.shape)}"
