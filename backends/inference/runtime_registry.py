"""Which runtimes there are, and which one a run takes: one file of `runtimes` each, found by looking there.

Called by the plan, by infer, by verify and by the benches. Nothing heavy is imported: a runtime's file says what it
is before what it computes with is there.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from importlib.machinery import PathFinder
from typing import Literal

from backends.ascend import cann as toolkit
from backends.core.errors import InputError, NeedError
from backends.core.messages import N_
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


def choose(target: Target, name: str) -> str:
    """The runtime's name where `name` may be `auto`.

    Raises InputError where the name is unknown or does not serve the target, NeedError where it cannot be had here.
    """
    if name == "auto":
        ranked = [info for info in known_runtimes().values() if info.rank and target in info.targets]
        found = [info.name for info in ranked if target == "ascend" or _importable(info.module)]
        if not found:
            hint = N_("pip install {package}")
            raise NeedError("no runtime for the target {target} is here", hint=hint, target=target, package="openvino")
        name = found[0]
    info = known_runtimes().get(name)
    if info is None or target not in info.targets:
        offer = ", ".join(runtime_names(target))
        text = N_("the runtime {name} is none of the target {target}")
        raise InputError(text, hint="infer.runtime is one of {offer}", name=name, target=target, offer=offer)
    if not info.module or _importable(info.module):  # without a module it is a tool, perhaps another Python's
        return name
    if info.module == "acl":
        if toolkit.find() is not None:
            return name  # its set_env.sh brings the module
        hint = N_("install CANN (toolkit or nnrt), or set ASCEND_TOOLKIT_HOME to the folder that holds its set_env.sh")
        raise NeedError("acl is not here: neither on the module path nor a set_env.sh", hint=hint)
    text = N_("the runtime {name} needs the Python module {module}")
    raise NeedError(text, hint="pip install {module}", name=name, module=info.module)


def environment(name: str) -> toolkit.Toolkit | None:
    """Whose `set_env.sh` a device's process is started behind; None: nobody's, or it was sourced already."""
    info = known_runtimes().get(name)
    return toolkit.find() if info is not None and info.in_cann and not _importable("acl") else None


def _importable(module: str) -> bool:
    return PathFinder.find_spec(module) is not None
