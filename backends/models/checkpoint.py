"""Reference checkpoints: which network their tensors make, and whether it is the one that was requested.

`identify` says it from the file's outline alone, for `check`, `init` and the console; `read_checkpoint` also reads the
weights, for export and verify. Neither needs torch, whose import takes a second. No name or number in the file is
trusted that the tensors' own shapes can tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from backends.core.messages import N_, InputError, Line, line, os_reason
from backends.core.model_io import CHANNELS
from backends.models.families import known, network_of, offer, recognise
from backends.models.network import Architecture, ReadLimits, Shape, Shapes, Wanted
from backends.models.torch_outline import Outline, damaged_entry, outline, tensor_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OPTIONS = 2**20
PREFIXES = ("module.", "_orig_mod.", "model.")
"""Before every name: of `DataParallel`, of `torch.compile`, of a wrapper."""
NAMED = 3
"""How many tensors a message names before it only counts them."""
_OTHER = N_("give a checkpoint of kenshohara/3D-ResNets-PyTorch: {known}")


class Identified(Struct, frozen=True):
    architecture: Architecture
    outline: Outline
    warnings: tuple[Line, ...] = ()
    notes: tuple[Line, ...] = ()
    """What no tensor shows, and where it was read."""


class Checkpoint(Struct, frozen=True):
    """A checked checkpoint: every tensor that the architecture has, float32, finite, in the reference's order."""

    architecture: Architecture
    state: Mapping[str, NDArray[Any]]
    epoch: int | None = None
    warnings: tuple[Line, ...] = ()
    notes: tuple[Line, ...] = ()
    """What no tensor shows, and where it was read."""

    @property
    def parameters(self) -> int:
        """Learnt values: without the running statistics of the normalizations."""
        return sum(tensor.size for name, tensor in self.state.items() if _is_learnt(name))


def describe(architecture: Architecture) -> Line:
    """For people: `resnext-101 of 400 classes, shortcut B, widths 128 256 512 1024, conv1_t_size 7`."""
    widths = " ".join(map(str, network_of(architecture).widths))
    text = N_("{arch} of {classes} classes, shortcut {shortcut}, widths {widths}, conv1_t_size {size}")
    arch, classes, shortcut = architecture.name, architecture.classes, architecture.shortcut
    return line(text, arch=arch, classes=classes, shortcut=shortcut, widths=widths, size=architecture.conv1_t_size)


def identify(
    path: Path, wanted: Wanted | None = None, options: Path | None = None, limits: ReadLimits | None = None
) -> Identified:
    """Which network a checkpoint holds, in a fraction of a second.

    `options` is an opts.json. Raises InputError, one line with what was found, what was wanted and the fix, where the
    file cannot be read or its tensors are not the wanted network's.
    """
    wanted = wanted or Wanted()
    found = outline(path, limits)
    shapes = {
        name: one.shape for name, one in zip(_unwrapped(one.name for one in found.tensors), found.tensors, strict=True)
    }
    for name, one in zip(shapes, found.tensors, strict=True):
        if one.problem is not None:
            hint = N_("save the network's own state_dict() on the CPU with torch.save")
            raise InputError(one.problem.template, hint=hint, path=str(path), name=_quote(name))
    architecture = _recognised(path, shapes, found.arch)
    _check_shapes(path, shapes, architecture)
    _compare(path, architecture, wanted)
    warnings = _arch_warnings(found.arch, architecture)
    if wanted.conv1_t_stride is not None and wanted.no_max_pool is not None:
        stem = replace(architecture, conv1_t_stride=wanted.conv1_t_stride, no_max_pool=wanted.no_max_pool)
        return Identified(stem, found, warnings)
    said = _told(options, architecture) if options else {}
    stride = wanted.conv1_t_stride or said.get("conv1_t_stride") or 1
    no_pool = said.get("no_max_pool", False) if wanted.no_max_pool is None else wanted.no_max_pool
    text = N_("conv1_t_stride is {stride} and no_max_pool {no_pool}, from {path}")
    if not said:
        text = N_(
            "no opts.json of this network beside the checkpoint: conv1_t_stride is {stride}, no_max_pool {no_pool}"
        )
    note = line(text, stride=stride, no_pool=str(no_pool).lower(), path=str(options))
    return Identified(replace(architecture, conv1_t_stride=stride, no_max_pool=no_pool), found, warnings, (note,))


def read_checkpoint(
    path: Path, wanted: Wanted | None = None, options: Path | None = None, limits: ReadLimits | None = None
) -> Checkpoint:
    """Read and check a checkpoint with its weights; raises as `identify`, and for values that are no weights."""
    found = identify(path, wanted, options, limits)
    damage = damaged_entry(path)
    names = _unwrapped(one.name for one in found.outline.tensors)
    state = dict(zip(names, tensor_values(path, found.outline), strict=True))
    wanted_names = [name for name in network_of(found.architecture).tensors() if name in state]
    for name in wanted_names:
        if not name.endswith("num_batches_tracked"):
            _check_values(path, name, state[name])
    plain_state = {name: _plain(state[name]) for name in wanted_names}
    warnings = (*found.warnings, damage) if damage else found.warnings
    return Checkpoint(found.architecture, plain_state, found.outline.epoch, warnings, found.notes)


def _unwrapped(names: Iterable[str]) -> list[str]:
    """The network's own names: without what stands before all of them."""
    found = list(names)
    while prefix := next((one for one in PREFIXES if all(name.startswith(one) for name in found)), None):
        found = [name.removeprefix(prefix) for name in found]
    return found


def _recognised(path: Path, shapes: Shapes, arch: str) -> Architecture:
    family, _, number = arch.rpartition("-")
    depth = int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else None
    found = recognise(shapes, family, depth)
    if found is None:
        text = N_("{path}: {count} tensors such as {name} ({shape}){said} belong to no known network")
        name, shape = next(iter(shapes.items()))
        facts = {"name": _quote(name), "shape": _shown(shape), "known": offer()}
        said = line(", named {arch},", arch=_quote(arch)) if arch else ""
        raise InputError(text, hint=_OTHER, path=str(path), count=len(shapes), said=said, **facts)
    if not found.classes:
        head = network_of(replace(found, classes=1)).head
        text = N_("{path}: a {arch} without its classifier ({head}.weight): it gives features, not scores of classes")
        hint = N_("give the checkpoint with its classifier, as training or fine-tuning saved it")
        raise InputError(text, hint=hint, path=str(path), arch=found.name, head=head)
    return found


def _compare(path: Path, found: Architecture, wanted: Wanted) -> None:
    """InputError where the user's words contradict the tensors."""
    fits = (
        wanted.widen is None or network_of(replace(found, widen=wanted.widen)).tensors() == network_of(found).tensors()
    )
    widen = "wide_resnet_k" if found.family == "wideresnet" else "resnet_widen_factor"
    rows: tuple[tuple[str, str, object, object], ...] = (
        ("family", "model", found.family, wanted.family),
        ("depth", "model_depth", found.depth, wanted.depth),
        ("classes", "n_classes", found.classes, wanted.classes),
        ("shortcut", "resnet_shortcut", found.shortcut, wanted.shortcut),
        ("widen", widen, found.widen, None if fits else wanted.widen),
        ("conv1_t_size", "conv1_t_size", found.conv1_t_size, wanted.conv1_t_size),
    )
    for key, option, have, want in rows:
        if want not in (None, have):
            text = N_("{path}: the checkpoint has {key} {found}, {wanted} was requested")
            value = f'"{have}"' if isinstance(have, str) else str(have)
            hint = line(
                "set {setting} = {value} in r3d.toml (--{option}={found}), or give another checkpoint",
                setting=f"model.{key}",
                value=value,
                option=option,
                found=str(have),
            )
            if key == "family":
                hint = line(
                    "give --model={found}, or another checkpoint; known are {known}", found=str(have), known=offer()
                )
            shown = f"{have} (a {describe(found)})"
            raise InputError(text, hint=hint, path=str(path), key=key, found=shown, wanted=str(want))


def _check_shapes(path: Path, shapes: Shapes, architecture: Architecture) -> None:
    wanted = network_of(architecture).tensors()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}  # absent before torch 0.4.1
    hint = N_("the file is damaged or of a changed network: give the checkpoint as the training script saved it")
    text = N_("{path}: {count} tensors of {arch} are missing, such as {names}")
    _none_of([name for name in wanted if name not in shapes and name not in counters], text, hint, path, architecture)
    text = N_("{path}: {count} tensors do not belong to {arch}, such as {names}")
    _none_of([name for name in shapes if name not in wanted], text, hint, path, architecture)
    for name, shape in wanted.items():
        if name in shapes and shapes[name] != shape:
            text = N_("{path}: {name} is {found}, in {arch} with shortcut {shortcut} it is {wanted}")
            facts = {"found": _shown(shapes[name]), "wanted": _shown(shape), "arch": architecture.name}
            raise InputError(text, hint=hint, path=str(path), name=name, shortcut=architecture.shortcut, **facts)
    if architecture.in_channels != CHANNELS:
        text = N_("{path}: the {arch} takes {found} channels, clips have {wanted}")
        hint = N_("give a network that was trained on RGB frames, not on flow")
        facts = {"arch": architecture.name, "found": str(architecture.in_channels), "wanted": str(CHANNELS)}
        raise InputError(text, hint=hint, path=str(path), **facts)


def _none_of(names: list[str], text: str, hint: str, path: Path, architecture: Architecture) -> None:
    if names:
        some = ", ".join(_quote(name) for name in names[:NAMED])
        raise InputError(text, hint=hint, path=str(path), count=len(names), arch=architecture.name, names=some)


def _told(options: Path, architecture: Architecture) -> dict[str, Any]:
    """What an opts.json says that no tensor shows; nothing where it is of another network."""
    hint = N_("repair or remove it, or set conv1_t_stride and no_max_pool under [model] in r3d.toml")
    try:
        table = json.loads(options.read_bytes()[:MOST_OPTIONS])
    except OSError as error:
        raise InputError("{path}: {reason}", hint=hint, path=str(options), reason=os_reason(error)) from None
    except (ValueError, RecursionError):
        raise InputError("{path}: not the JSON of the training's options", hint=hint, path=str(options)) from None
    network = (architecture.family, architecture.depth)
    if not isinstance(table, dict) or (table.get("model"), table.get("model_depth")) != network:
        return {}
    said = {"conv1_t_stride": table.get("conv1_t_stride", 1), "no_max_pool": table.get("no_max_pool", False)}
    for key, value in said.items():
        if type(value) is not (bool if key == "no_max_pool" else int) or not 0 <= value <= 16:
            text = N_("{path}: {key} is {value}")
            raise InputError(text, hint=hint, path=str(options), key=key, value=_quote(repr(value)))
    return said


def _arch_warnings(said: str, architecture: Architecture) -> tuple[Line, ...]:
    if said.rpartition("-")[0] not in known() or said == architecture.name:
        return ()
    text = N_("the checkpoint is named {said}, its tensors are those of {found}")
    return (line(text, said=_quote(said), found=architecture.name),)


def _check_values(path: Path, name: str, values: NDArray[Any]) -> None:
    import numpy as np

    hint = N_("give a checkpoint from before the training diverged")
    if values.dtype.kind != "f":
        text = N_("{path}: {name} holds {kind}, not plain floating-point numbers")
        raise InputError(text, hint=_OTHER, path=str(path), name=name, kind=values.dtype.name, known=offer())
    # the sum is finite only where every value is, and takes a third of the time of looking at each
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(values.sum(dtype=np.float32))
    if not is_finite and (bad := int((~np.isfinite(values.astype(np.float32))).sum())):
        text = N_("{path}: {name} has {bad} values that are not finite, of {count}")
        raise InputError(text, hint=hint, path=str(path), name=name, bad=bad, count=values.size)
    if name.endswith("running_var") and bool((values < 0).any()):
        raise InputError("{path}: {name} has a variance below zero", hint=hint, path=str(path), name=name)


def _is_learnt(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """float32; a checkpoint may be saved in half precision. The counters of the normalizations stay whole numbers."""
    return values.astype("float32", copy=False) if values.dtype.kind == "f" else values


def _shown(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _quote(name: str) -> str:
    """A foreign name, short and without control characters."""
    return ascii(name[:80])[1:-1]
