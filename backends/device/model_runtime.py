"""What a runtime is: one model on one device, in the process of that device; and what its model's ends must be.

Runtimes are files in `inference/runtimes`; they import this module, NumPy, and what they compute with.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from backends.device.failures import N_, DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray
else:
    Protocol = object  # Python 3.7 has none

INPUT, OUTPUT = "input", "output"
"""Names of the model's ends: the guide's atc line and its scripts rely on them."""


@dataclass(frozen=True)
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


class Runtime(Protocol):
    """One model on one device. Opened once, run often, closed once, all on one thread."""

    version: str
    """Name and version of what computes: `openvino 2026.4.1`. Known after `open`."""

    def open(self, model: Path, device: DeviceSpec, shape: tuple[int, ...]) -> int:
        """Load the model for batches of `shape` (clips, channels, frames, height, width); gives its number of classes.

        Raises DeviceError where the file is missing, cannot be read, or does not take such batches.
        """

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (clips, classes) of a batch of that shape, both float32.

        The result is the caller's own. Any exception means that the device failed.
        """

    def close(self) -> None:
        """Release model and device. Safe to call twice, and after a failure anywhere."""


class Staging(Runtime, Protocol):
    """A runtime whose device has a memory of its own: batches are brought there while others are in compute."""

    def buffers(self, count: int) -> list[NDArray[Any]]:
        """Host memory for `count` batches, float32 or uint8 as the model takes; after `open`. It ends with `close`."""

    def stage(self, batch: NDArray[Any]) -> None:
        """Begin to copy one of `buffers` to the device, on any thread; it must not be written to until `run` has it.

        A batch that was not staged is brought by `run` itself.
        """


def staging(runtime: Runtime) -> Staging | None:
    """The runtime where it stages batches, else None."""
    return cast("Staging", runtime) if hasattr(runtime, "stage") else None


def load(entry: str) -> Any:
    """What stands at `package.module:Name`. This imports the module and what it needs."""
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Port:
    """One end of a model as its file has it; a dimension of any size is None."""

    name: str
    shape: tuple[int | None, ...]
    kind: str
    """Element type, `float32`."""


def check_ports(
    model: Path, shape: tuple[int, ...], inputs: Sequence[Port], outputs: Sequence[Port], kind: str = "float32"
) -> int:
    """The number of classes of a model that takes batches of that shape and element type.

    Raises DeviceError with what the model has and what was wanted where an end has another name, type or shape.
    """
    _check_end(model, "input", inputs, Port(INPUT, shape, kind))
    _check_end(model, "output", outputs, Port(OUTPUT, (shape[0], None), "float32"))
    classes = outputs[0].shape[1]
    if not classes:
        text, hint = N_("{path}: its output names no number of classes"), N_("export the model again")
        raise DeviceError(text, hint=hint, exit_code=2, path=str(model))
    return classes


def _check_end(model: Path, end: str, found: Sequence[Port], wanted: Port) -> None:
    fits = len(found) == 1 and found[0].name == wanted.name and found[0].kind == wanted.kind
    if fits and len(found[0].shape) == len(wanted.shape):
        pairs = zip(found[0].shape, wanted.shape)
        if all(have is None or want is None or have == want for have, want in pairs):
            return
    text = N_("{path}: the model's {end} is {found}, not {wanted}")
    hint = N_("export the model again, or set infer.batch, preprocess.clip_frames and preprocess.size to the model's")
    shown = "; ".join(map(_show, found)) or "nothing"
    raise DeviceError(text, hint=hint, exit_code=2, path=str(model), end=end, found=shown, wanted=_show(wanted))


def _show(port: Port) -> str:
    return f"{port.name} {port.kind} {'x'.join('?' if n is None else str(n) for n in port.shape)}"


def read_failure(model: Path, runtime: str, error: Exception) -> DeviceError:
    """What to raise where a runtime cannot read a model file: its first line of words, and a fix."""
    if not model.is_file():
        return DeviceError("{path}: no such model", hint="run the export stage", exit_code=2, path=str(model))
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
    text = N_("{path}: {runtime} cannot read the model: {reason}")
    hint = N_("export the model again; the stage's log has the whole message")
    return DeviceError(text, hint=hint, exit_code=2, path=str(model), runtime=runtime, reason=reason)


@dataclass(frozen=True)
class RuntimeInfo:
    """What a runtime's file says of it, as `RUNTIME`; reading it imports nothing heavy."""

    name: str
    """As in `infer.runtime`."""
    entry: str
    """The class, `package.module:Class`."""
    module: str
    """The Python module that it needs; empty: none of this Python."""
    targets: tuple[str, ...]
    """`cpu`, `ascend`."""
    rank: int = 0
    """Where `auto` has it: 1 is tried first; 0 never."""
    in_cann: bool = False
    """It needs CANN's environment: its process starts behind `set_env.sh`, under the Python that `acl` belongs to."""
    is_tool: bool = False
    """A program that takes a folder of files; `entry` is the class of its devices (`inference.device_link`)."""
    explain: str = ""
    """`package.module:function` of the stage, (call, code) to DeviceError: what an error code of its library means."""
