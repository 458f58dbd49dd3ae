"""What runs a model on one device: the protocol that every runtime meets, and how one is chosen by its name.

A runtime is one file beside this one and one line in `RUNTIMES`. Nothing heavy is imported until `load`, which only
the process of a device calls. It refuses to know clips, queues and scores.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from backends.ascend import cann as toolkit
from backends.core.errors import InputError, NeedError
from backends.core.frozen import dataclass
from backends.core.messages import N_
from backends.core.model_io import CLIP_SHAPE, Clip, DeviceSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Target = Literal["cpu", "ascend"]


class Runtime(Protocol):
    """One model on one device. Opened once, run often, closed once, all on one thread."""

    version: str
    """Name and version of what computes: `openvino 2026.4.1`. Known after `open`."""

    def open(self, model: Path, device: DeviceSpec, batch: int, clip: Clip = CLIP_SHAPE) -> int:
        """Load the model for batches of `batch` clips of that shape and give its number of classes.

        Raises InputError where the file is missing, cannot be read, or does not take such batches.
        """
        ...

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (batch, classes) of clips (batch, *clip), both float32.

        The result is the caller's own. Any exception means that the device failed.
        """
        ...

    def close(self) -> None:
        """Let go of model and device. Safe to call twice, and after a failure anywhere."""
        ...


class Staging(Runtime, Protocol):
    """A runtime whose device has a memory of its own: batches are brought there while others are in compute."""

    def buffers(self, count: int) -> list[NDArray[Any]]:
        """Host memory for `count` batches (batch, *clip), float32 or uint8 as the model takes; after `open`.

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
    "openvino": Known("backends.inference.runtimes.openvino:OpenVino", "openvino", ("cpu",)),
    "onnxruntime": Known("backends.inference.runtimes.onnxruntime:OnnxRuntime", "onnxruntime", ("cpu",)),
    "null": Known("backends.inference.runtimes.null:Null", "numpy", ("cpu", "ascend")),
    "acl": Known("backends.ascend.acl_runtime:Acl", "acl", ("ascend",), cann=True),
    "ais_bench": Known("", "", ("ascend",), stage="backends.inference.ais_run:run"),
    "cann": Known("backends.inference.runtimes.cann:CannOnnx", "onnxruntime", ("ascend",), cann=True),
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
            hint = N_("pip install {package}")
            raise NeedError("no runtime for the target {target} is here", hint=hint, target=target, package="openvino")
        name = found[0]
    known = RUNTIMES.get(name)
    if known is None or target not in known.targets:
        offer = ", ".join(["auto", *(n for n, k in RUNTIMES.items() if target in k.targets)])
        text = N_("the runtime {name} is none of the target {target}")
        raise InputError(text, hint="infer.runtime is one of {offer}", name=name, target=target, offer=offer)
    if known.stage:
        return name  # the stage looks for its tool itself: it may be another Python's
    if not _importable(known.module):
        if known.module == "acl":
            if toolkit.find() is not None:
                return name  # its set_env.sh brings the module
            hint = N_(
                "install CANN (toolkit or nnrt), or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh"
            )
            raise NeedError("acl is not here: neither on the module path nor a set_env.sh", hint=hint)
        text = N_("the runtime {name} needs the Python module {module}")
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


def read_failure(model: Path, runtime: str, error: Exception) -> InputError:
    """What to raise where a runtime cannot read a model file: its first line of words, and a mend."""
    if not model.is_file():
        return InputError("{path}: no such model", hint="run the export stage", path=str(model))
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
    text = N_("{path}: {runtime} cannot read the model: {reason}")
    hint = N_("export the model again; the stage's log has the whole message")
    return InputError(text, hint=hint, path=str(model), runtime=runtime, reason=reason)


def _importable(module: str) -> bool:
    return PathFinder.find_spec(module) is not None
