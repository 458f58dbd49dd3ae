"""Reference checkpoints: which network their tensors make, and whether it is the one that was asked for.

It refuses to trust a name or a number in the file that the tensors' own shapes can tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from backends.core.errors import InputError
from backends.core.messages import N_, Line, line
from backends.models import torch_file
from backends.models.architecture import BLOCKS, FIRST_BOTTLENECK, WIDTHS, Architecture

if TYPE_CHECKING:
    from torch import Tensor

_OTHER = N_("give a checkpoint of kenshohara/3D-ResNets-PyTorch's models/resnet.py")
CHANNELS = 3
"""Of a clip: red, green, blue."""

NAMED = 3
"""How many tensors a message names before it only counts them."""


class Wanted(Struct, frozen=True):
    """What the user says of the network; None: as the checkpoint says. The last two cannot be read off tensors."""

    depth: int | None = None
    classes: int | None = None
    shortcut: Literal["A", "B"] | None = None
    widen: float | None = None
    conv1_t_size: int | None = None
    conv1_t_stride: int | None = None
    no_max_pool: bool | None = None


class Checkpoint(Struct, frozen=True):
    """A checked checkpoint: every tensor that the architecture has, float32, finite, in the reference's order."""

    architecture: Architecture
    state: Mapping[str, Tensor]
    epoch: int | None = None
    warnings: tuple[Line, ...] = ()

    @property
    def parameters(self) -> int:
        """Learnt values: without the running statistics of the normalisations."""
        return sum(tensor.numel() for name, tensor in self.state.items() if _learnt(name))


def read_checkpoint(path: Path, wanted: Wanted | None = None) -> Checkpoint:
    """Read and check a checkpoint, or a bare state_dict, with names as saved by `DataParallel` or without.

    Raises InputError, one line with what was found, what was wanted and the mend, where the file cannot be read or its
    tensors are not the wanted network's.
    """
    wanted = wanted or Wanted()
    content, warnings = torch_file.load(path)
    state = _state_dict(path, content)
    architecture = _architecture(path, state, wanted, content.get("arch"))
    _compare(path, architecture, wanted)
    _check_tensors(path, state, architecture)
    epoch = content.get("epoch")
    said = content.get("arch")
    if isinstance(said, str) and re.fullmatch(r"resnet-\d+", said) and said != architecture.name:
        text = N_("the checkpoint calls itself {said}, its tensors are those of {found}")
        warnings = (*warnings, line(text, said=said, found=architecture.name))
    return Checkpoint(
        architecture,
        {name: _plain(state[name]) for name in architecture.shapes() if name in state},
        epoch if isinstance(epoch, int) else None,
        warnings,
    )


def _learnt(name: str) -> bool:
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors by the network's own names."""
    import torch

    inner = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(inner, Mapping):
        text = N_("{path}: holds a {kind}, not a state_dict")
        raise InputError(text, hint=_OTHER, path=str(path), kind=type(content).__name__)
    tensors = {name: value for name, value in inner.items() if isinstance(value, torch.Tensor)}
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise InputError("{path}: holds no state_dict of named tensors", hint=_OTHER, path=str(path))
    return {name.removeprefix("module."): value.detach() for name, value in tensors.items()}


def _architecture(path: Path, state: Mapping[str, Tensor], wanted: Wanted, said: object) -> Architecture:
    """What names and shapes tell. Damage in the middle is left to `_check_tensors`, which names the tensors."""
    stem, last = state.get("conv1.weight"), state.get("fc.weight")
    if stem is None or last is None or "layer4.0.conv1.weight" not in state:
        text = N_("{path}: {count} tensors such as {name} are not those of a 3D ResNet")
        raise InputError(text, hint=_OTHER, path=str(path), count=len(state), name=_quote(next(iter(state))))
    if stem.dim() != 5 or tuple(stem.shape[3:]) != (7, 7) or last.dim() != 2 or 0 in (*stem.shape, *last.shape):
        text = N_("{path}: conv1.weight is {shape}, a 3D ResNet's is 64x3x7x7x7")
        raise InputError(text, hint=_OTHER, path=str(path), shape=_shape(stem))
    depth = _depth(state) or _said_depth(said) or wanted.depth
    if depth not in BLOCKS:
        text = N_("{path}: {found} blocks in its four layers are those of no depth that is known ({known})")
        found, known = ", ".join(map(str, _counts(state))), ", ".join(map(str, BLOCKS))
        raise InputError(text, hint=_OTHER, path=str(path), found=found, known=known)
    return Architecture(
        depth=depth,
        classes=int(last.shape[0]),
        shortcut="B" if any(".downsample." in name for name in state) else "A",
        widen=_widen(state, int(stem.shape[0])),
        conv1_t_size=int(stem.shape[2]),
        conv1_t_stride=wanted.conv1_t_stride or 1,
        no_max_pool=bool(wanted.no_max_pool),
        in_channels=int(stem.shape[1]),
    )


def _counts(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    places = {match.groups() for name in state if (match := re.match(r"layer([1-4])\.(\d+)\.", name))}
    return tuple(sum(layer == str(number) for layer, _ in places) for number in range(1, 5))


def _depth(state: Mapping[str, Tensor]) -> int | None:
    counts, bottleneck = _counts(state), "layer1.0.conv3.weight" in state
    for depth, blocks in BLOCKS.items():
        if blocks == counts and bottleneck == (depth >= FIRST_BOTTLENECK):
            return depth
    return None


def _said_depth(said: object) -> int | None:
    match = re.fullmatch(r"resnet-(\d{1,3})", said) if isinstance(said, str) else None
    return int(match.group(1)) if match and int(match.group(1)) in BLOCKS else None


def _widen(state: Mapping[str, Tensor], first: int) -> float:
    """The least factor that gives the widths found: exact for the widest layer, hence for the others."""
    widest = state["layer4.0.conv1.weight"]
    width = int(widest.shape[0]) / WIDTHS[-1] if widest.dim() == 5 else first / WIDTHS[0]
    return width if int(WIDTHS[0] * width) == first else first / WIDTHS[0]


def _compare(path: Path, found: Architecture, wanted: Wanted) -> None:
    fits = wanted.widen is None or tuple(int(width * wanted.widen) for width in WIDTHS) == found.widths
    rows: tuple[tuple[str, str, object, object], ...] = (
        ("depth", "model_depth", found.depth, wanted.depth),
        ("classes", "n_classes", found.classes, wanted.classes),
        ("shortcut", "resnet_shortcut", found.shortcut, wanted.shortcut),
        ("widen", "resnet_widen_factor", found.widen, None if fits else wanted.widen),
        ("conv1_t_size", "conv1_t_size", found.conv1_t_size, wanted.conv1_t_size),
    )
    for key, option, have, want in rows:
        if want not in (None, have):
            text = N_("{path}: the checkpoint has {key} {found}, {wanted} was requested")
            hint = N_("set {setting} = {value} in r3d.toml (--{option}={found}), or give another checkpoint")
            facts = {"key": key, "setting": f"model.{key}", "option": option, "found": str(have), "wanted": str(want)}
            value = f'"{have}"' if isinstance(have, str) else str(have)
            raise InputError(text, hint=hint, path=str(path), value=value, **facts)
    if found.in_channels != CHANNELS:
        text = N_("{path}: the network takes {found} channels, clips have {wanted}")
        raise InputError(text, hint=_OTHER, path=str(path), found=found.in_channels, wanted=CHANNELS)


def _check_tensors(path: Path, state: Mapping[str, Tensor], architecture: Architecture) -> None:
    shapes = architecture.shapes()
    counters = {name for name in shapes if name.endswith("num_batches_tracked")}  # absent before torch 0.4.1
    hint = N_("the file is damaged or of a changed network: give the checkpoint as the training script saved it")
    text = N_("{path}: {count} tensors of {arch} are missing, such as {names}")
    _none_of([name for name in shapes if name not in state and name not in counters], text, hint, path, architecture)
    text = N_("{path}: {count} tensors do not belong to {arch}, such as {names}")
    _none_of([name for name in state if name not in shapes], text, hint, path, architecture)
    for name, shape in shapes.items():
        if name in state and tuple(state[name].shape) != shape:
            text = N_("{path}: {name} is {found}, in {arch} with shortcut {shortcut} it is {wanted}")
            facts = {"found": _shape(state[name]), "wanted": "x".join(map(str, shape)), "arch": architecture.name}
            facts["shortcut"] = architecture.shortcut
            raise InputError(text, hint=hint, path=str(path), name=name, **facts)
    for name in shapes:
        if name in state and name not in counters:
            _check_values(path, name, state[name])


def _none_of(names: list[str], text: str, hint: str, path: Path, architecture: Architecture) -> None:
    if names:
        some = ", ".join(_quote(name) for name in names[:NAMED])
        raise InputError(text, hint=hint, path=str(path), count=len(names), arch=architecture.name, names=some)


def _check_values(path: Path, name: str, tensor: Tensor) -> None:
    import torch

    hint = N_("give a checkpoint from before the training diverged")
    if not tensor.is_floating_point() or tensor.layout != torch.strided:
        text = N_("{path}: {name} holds {kind}, not plain floating-point numbers")
        raise InputError(text, hint=_OTHER, path=str(path), name=name, kind=str(tensor.dtype))
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        text = N_("{path}: {name} claims more values than the file holds")
        raise InputError(text, hint=_OTHER, path=str(path), name=name)
    bad = int((~tensor.float().isfinite()).sum())
    if bad:
        text = N_("{path}: {name} has {bad} values that are not finite, of {count}")
        raise InputError(text, hint=hint, path=str(path), name=name, bad=bad, count=tensor.numel())
    if name.endswith("running_var") and bool((tensor < 0).any()):
        raise InputError("{path}: {name} has a variance below zero", hint=hint, path=str(path), name=name)


def _plain(tensor: Tensor) -> Tensor:
    """float32; a checkpoint may be saved in half precision. The counters of the normalisations stay whole numbers."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _quote(name: str) -> str:
    """A foreign name, short and without control characters."""
    return ascii(name[:80])[1:-1]
