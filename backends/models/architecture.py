"""What decides a network of the reference: the options that its tensors and its forward pass depend on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
"""Of every tensor of a state dict, by name."""
OPTIONS = "opts.json"
"""What the reference's trainer leaves beside its checkpoints."""


class Architecture(Struct, frozen=True):
    """All that decides a network's tensors and its forward pass; the names are the reference's options."""

    depth: int
    classes: int
    shortcut: Literal["A", "B"] = "B"
    widen: float = 1.0
    """The widen factor; of a wideresnet its `k`."""
    conv1_t_size: int = 7
    conv1_t_stride: int = 1
    no_max_pool: bool = False
    in_channels: int = 3
    family: str = "resnet"

    @property
    def name(self) -> str:
        """As the reference's checkpoints call it: `resnet-50`."""
        return f"{self.family}-{self.depth}"


class Wanted(Struct, frozen=True):
    """What the user says of the network; None: as the checkpoint, or the opts.json beside it, says."""

    depth: int | None = None
    classes: int | None = None
    shortcut: Literal["A", "B"] | None = None
    widen: float | None = None
    conv1_t_size: int | None = None
    conv1_t_stride: int | None = None
    no_max_pool: bool | None = None
    family: str | None = None


class ReadLimits(Struct, frozen=True):
    """Of the process that looks into a checkpoint."""

    memory_mb: int = 2048
    seconds: float = 30.0


def options_beside(path: Path | None) -> Path | None:
    """The trainer's opts.json in the checkpoint's folder; None where there is none."""
    found = path and path.with_name(OPTIONS)
    return found if found and found.is_file() else None
