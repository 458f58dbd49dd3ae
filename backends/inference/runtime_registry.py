"""Which runtimes there are, and which one a run takes: one file of `runtimes` each, found by looking there.

Called by the plan, by infer, by verify and by the benches. Nothing heavy is imported: a runtime's file says what it
is before what it computes with is there.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.ascend import cann as toolkit
from backends.ascend.cann import find_acl_python
from backends.core.messages import N_, InputError, Line, NeedError, line
from backends.device.model_runtime import RuntimeInfo
from backends.inference import runtimes

Target = Literal["cpu", "ascend"]


@functools.cache
def known_runtimes() -> Mapping[str, RuntimeInfo]:
    """Every runtime by its name, those that `auto` prefers first."""
    names = [module.name for module in pkgutil.iter_modules(runtimes.__path__, f"{runtimes.__name__}.")]
    found: list[RuntimeInfo] = [importlib.import_module(name).RUNTIME for name in names]
    return {info.name: info for info in sorted(found, key=lambda info: (info.rank or 99, info.name))}


def runtime_names(target: Target) -> tuple[str, ...]:
    """What `infer.runtime` may be for a target."""
    return ("auto", *(info.name for info in known_runtimes().values() if target in info.targets))


class Chosen(Struct, frozen=True):
    """The runtime of a run, and where its processes start."""

    info: RuntimeInfo
    cann: toolkit.Toolkit | None = None
    """Whose `set_env.sh` a device's process is started behind; None: it needs none, or it was sourced already."""
    python: Path | None = None
    """What it runs under; None: this Python."""
    note: Line | None = None
    """What a person should know of the choice."""


def choose(target: Target, name: str, acl_python: Path | None = None) -> Chosen:
    """The runtime by its name, or the best that is here for `auto`.

    Raises InputError where the name is unknown or does not serve the target, NeedError where it cannot be had here.
    """
    known = known_runtimes()
    if name == "auto":
        ranked = [info for info in known.values() if info.rank and target in info.targets]
        info = next((info for info in ranked if target == "ascend" or _importable(info.module)), None)
        if info is None:
            hint = N_("pip install {package}")  # the one with wheels for every machine that we take
            raise NeedError(
                "no runtime for the target {target} is here", hint=hint, target=target, package="onnxruntime"
            )
    else:
        info = _named(target, name)
    if info.module == "acl":
        return _with_acl(info, acl_python, is_asked=name != "auto")
    if info.module and not _importable(info.module):  # without a module it is a tool, perhaps another Python's
        text = N_("the runtime {name} needs the Python module {module}")
        hint = N_("pip install {module}; where this machine has no package of it, set infer.runtime to auto")
        raise NeedError(text, hint=hint, name=name, module=info.module)
    return Chosen(info, toolkit.find() if info.in_cann and not _importable("acl") else None)


def _named(target: Target, name: str) -> RuntimeInfo:
    info = known_runtimes().get(name)
    if info is None or target not in info.targets:
        offer = ", ".join(runtime_names(target))
        text = N_("the runtime {name} is none of the target {target}")
        raise InputError(text, hint="infer.runtime is one of {offer}", name=name, target=target, offer=offer)
    return info


def _with_acl(info: RuntimeInfo, given: Path | None, *, is_asked: bool) -> Chosen:
    """pyACL under the Python that imports it; where none does, the tool that needs none, unless acl was requested."""
    cann = toolkit.find()
    if cann is None and given is None and not _importable("acl"):
        hint = N_("install CANN (toolkit or nnrt), or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh")
        raise NeedError("acl is not here: neither on the module path nor a set_env.sh", hint=hint)
    found = find_acl_python(given, cann)
    if found.python is not None:
        needed = cann if not found.is_ours or not _importable("acl") else None
        return Chosen(info, needed, None if found.is_ours else found.python)
    hint = N_("name the Python of CANN under [infer] acl_python: it needs NumPy; or set infer.runtime to ais_bench")
    if is_asked:
        raise NeedError("acl does not import: {reason}", hint=hint, reason=found.reason)
    tool = next(one for one in known_runtimes().values() if one.is_tool and "ascend" in one.targets)
    return Chosen(tool, note=line("acl does not import ({reason}): ais_bench is used instead", reason=found.reason))


def _importable(module: str) -> bool:
    return PathFinder.find_spec(module) is not None
