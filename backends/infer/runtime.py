"""What runs a model on one device: the protocol that every runtime meets, and how one is chosen by its name.

A runtime is one file beside this one and one line in `RUNTIMES`. Nothing heavy is imported until `load`, which only
the process of a device calls. It refuses to know clips, queues and scores.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from backends.contract.errors import InputError, NeedError, StageError
from backends.contract.frozen import dataclass
from backends.contract.lines import Scalar
from backends.worker import toolkit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Target = Literal["cpu", "ascend"]

CLIP_SHAPE = (3, 16, 112, 112)
"""Channels, frames, height, width of a clip: what the guide's model takes."""
INPUT, OUTPUT = "input", "output"
"""Names of the model's ends, as the guide's export gives them."""


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
        self, template: str, /, *, hint: str = "", course: Course = "again", blame: bool = True, **facts: Scalar
    ) -> None:
        super().__init__(template, hint=hint, **facts)
        self.course: Course = course
        self.blame = blame
        """The batch in compute may be the cause; False where the device itself is lost."""


class Runtime(Protocol):
    """One model on one device. Opened once, run often, closed once, all on one thread."""

    version: str
    """Name and version of what computes: `openvino 2026.4.1`. Known after `open`."""

    def open(self, model: Path, device: DeviceSpec, batch: int) -> int:
        """Load the model for batches of `batch` clips and give its number of classes.

        Raises InputError where the file is missing, cannot be read, or does not take such batches.
        """
        ...

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (batch, classes) of clips (batch, 3, 16, 112, 112), both float32.

        The result is the caller's own. Any exception means that the device failed.
        """
        ...

    def close(self) -> None:
        """Let go of model and device. Safe to call twice, and after a failure anywhere."""
        ...


class Staging(Runtime, Protocol):
    """A runtime whose device has a memory of its own: batches are brought there while others are in compute."""

    def buffers(self, count: int) -> list[NDArray[Any]]:
        """Host memory for `count` batches (batch, 3, 16, 112, 112), float32 or uint8 as the model takes; after `open`.

        It ends with `close`.
        """
        ...

    def stage(self, batch: NDArray[Any]) -> None:
        """Begin to copy one of `buffers` to the device, on any thread; it must not be written to until `run` has it.

        A batch that was not staged is brought by `run` itself.
        """
        ...


def staging(runtime: Runtime) -> Staging | None:
    """The runtime where it stages batches, else None."""
    return cast(Staging, runtime) if hasattr(runtime, "stage") else None


@dataclass(frozen=True, slots=True)
class Known:
    """One runtime by name: where it is, the module it needs, the targets it serves."""

    entry: str
    """`package.module:Class`; empty where `stage` is given."""
    module: str
    targets: tuple[Target, ...]
    stage: str = ""
    """A stage function of its own, `package.module:function`: a tool that is no runtime of a device's process."""
    cann: bool = False
    """It needs CANN's environment: its process is started behind `set_env.sh` where that was not sourced."""


RUNTIMES: Mapping[str, Known] = {
    "openvino": Known("backends.infer.openvino_cpu:OpenVino", "openvino", ("cpu",)),
    "onnxruntime": Known("backends.infer.onnxruntime_cpu:OnnxRuntime", "onnxruntime", ("cpu",)),
    "null": Known("backends.infer.null:Null", "numpy", ("cpu", "ascend")),
    "acl": Known("backends.infer.acl_runtime:Acl", "acl", ("ascend",), cann=True),
    "ais_bench": Known("", "", ("ascend",), stage="backends.infer.ais_run:run"),
    "cann": Known("backends.infer.cann_onnx:CannOnnx", "onnxruntime", ("ascend",), cann=True),
}
AUTO: Mapping[Target, tuple[str, ...]] = {"cpu": ("openvino", "onnxruntime"), "ascend": ("acl",)}
"""What `auto` tries, best first: OpenVINO computes depth 50 in 0.85 of ONNX Runtime's time on two cores."""


def choose(target: Target, name: str) -> str:
    """The runtime's name where `name` may be `auto`.

    Raises InputError where the name is unknown or does not serve the target, NeedError where it cannot be had here.
    """
    if name == "auto":
        found = [n for n in AUTO[target] if target == "ascend" or _importable(RUNTIMES[n].module)]
        if not found:
            hint = "pip install {package}"
            raise NeedError("no runtime for the target {target} is here", hint=hint, target=target, package="openvino")
        name = found[0]
    known = RUNTIMES.get(name)
    if known is None or target not in known.targets:
        offer = ", ".join(["auto", *(n for n, k in RUNTIMES.items() if target in k.targets)])
        text = "the runtime {name} is none of the target {target}"
        raise InputError(text, hint="infer.runtime is one of {offer}", name=name, target=target, offer=offer)
    if known.stage:
        return name  # the stage looks for its tool itself: it may be another Python's
    if not _importable(known.module):
        if known.module == "acl":
            if toolkit.find() is not None:
                return name  # its set_env.sh brings the module
            hint = "install CANN (toolkit or nnrt), or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh"
            raise NeedError("acl is not here: neither on the module path nor a set_env.sh", hint=hint)
        text = "the runtime {name} needs the Python module {module}"
        raise NeedError(text, hint="pip install {module}", name=name, module=known.module)
    return name


def environment(name: str) -> toolkit.Toolkit | None:
    """Whose `set_env.sh` a device's process is started behind; None: nobody's, or it was sourced already."""
    known = RUNTIMES.get(name)
    return toolkit.find() if known is not None and known.cann and not _importable("acl") else None


def load(entry: str) -> Runtime:
    """A runtime by its entry, not yet opened. This imports it and what it needs."""
    module, _, kind = entry.partition(":")
    return cast(Runtime, getattr(importlib.import_module(module), kind)())


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a model as its file tells it; a dimension of any size is None."""

    name: str
    shape: tuple[int | None, ...]
    kind: str
    """Element type, `float32`."""


def check_ports(model: Path, batch: int, inputs: Sequence[Port], outputs: Sequence[Port]) -> int:
    """The number of classes of a model that takes batches of `batch` clips.

    Raises InputError with what the model has and what was wanted where an end has another name, type or shape.
    """
    _check_end(model, "input", inputs, Port(INPUT, (batch, *CLIP_SHAPE), "float32"))
    _check_end(model, "output", outputs, Port(OUTPUT, (batch, None), "float32"))
    classes = outputs[0].shape[1]
    if not classes:
        hint = "export the model again"
        raise InputError("{path}: its output names no number of classes", hint=hint, path=str(model))
    return classes


def read_failure(model: Path, runtime: str, error: Exception) -> InputError:
    """What to raise where a runtime cannot read a model file: its first line of words, and a mend."""
    if not model.is_file():
        return InputError("{path}: no such model", hint="run the export stage", path=str(model))
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
    text = "{path}: {runtime} cannot read the model: {reason}"
    hint = "export the model again; the stage's log has the whole message"
    return InputError(text, hint=hint, path=str(model), runtime=runtime, reason=reason)


def _check_end(model: Path, end: str, found: Sequence[Port], wanted: Port) -> None:
    fits = len(found) == 1 and found[0].name == wanted.name and found[0].kind == wanted.kind
    if fits and len(found[0].shape) == len(wanted.shape):
        pairs = zip(found[0].shape, wanted.shape, strict=True)
        if all(have is None or want is None or have == want for have, want in pairs):
            return
    text = "{path}: the model's {end} is {found}, not {wanted}"
    hint = "export the model again, or set infer.batch to the model's"
    shown = "; ".join(map(_show, found)) or "nothing"
    raise InputError(text, hint=hint, path=str(model), end=end, found=shown, wanted=_show(wanted))


def _show(port: Port) -> str:
    return f"{port.name} {port.kind} {'x'.join('?' if n is None else str(n) for n in port.shape)}"


def _importable(module: str) -> bool:
    return PathFinder.find_spec(module) is not None
