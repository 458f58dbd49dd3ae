"""A network as data: its operations in the order of computation, with the names and shapes of their tensors.

A family's `build` adds the operations; `forward` computes them in torch and `graph` writes them as ONNX. Sizes are
worked out for one shape of clips while the network is built.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.core.messages import N_, InputError
from backends.core.model_io import ClipShape

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


Size = tuple[int, int, int]
"""Frames, height, width."""
Kind = Literal[
    "input", "conv", "norm", "relu", "max_pool", "avg_pool", "add", "concat", "subsample", "global_pool", "linear"
]
EPSILON = 1e-5
"""Of every batch normalization: torch's default, which the reference does not change."""
ONE: Size = (1, 1, 1)


class Op(Struct, frozen=True):
    """One operation and the value that it gives: (clips, channels, *size)."""

    kind: Kind
    name: str
    """Of the ONNX node; of an operation with tensors also what their names begin with."""
    inputs: tuple[int, ...]
    """Places of the operations whose values it takes; place 0 is the clips."""
    channels: int
    size: Size
    kernel: Size = ONE
    stride: Size = ONE
    padding: Size = (0, 0, 0)
    groups: int = 1
    weight: Shape = ()
    """Of its tensor `weight`; (): it has no tensors."""

    def tensors(self) -> dict[str, Shape]:
        """Names and shapes of its tensors in the order of a state dict."""
        if self.kind == "conv":
            return {f"{self.name}.weight": self.weight}
        if self.kind == "linear":
            return {f"{self.name}.weight": self.weight, f"{self.name}.bias": self.weight[:1]}
        if self.kind == "norm":
            parts = ("weight", "bias", "running_mean", "running_var")
            return {f"{self.name}.{part}": self.weight for part in parts} | {f"{self.name}.num_batches_tracked": ()}
        return {}


class Network(Struct, frozen=True):
    architecture: Architecture
    ops: tuple[Op, ...]
    widths: tuple[int, ...]
    """Channels at the beginning of each of its layers, for people."""

    def tensors(self) -> dict[str, Shape]:
        """Every tensor of its state dict, in the reference's order."""
        return {name: shape for op in self.ops for name, shape in op.tensors().items()}

    @property
    def head(self) -> str:
        """The classifier's name."""
        return self.ops[-1].name

    def readers(self) -> list[list[int]]:
        """For each operation the places of those that take its value."""
        found: list[list[int]] = [[] for _ in self.ops]
        for place, op in enumerate(self.ops):
            for one in op.inputs:
                found[one].append(place)
        return found


class Builder:
    """Adds operations; each method gives the place of its value, which later ones take."""

    def __init__(self, architecture: Architecture, clip: ClipShape) -> None:
        self.architecture = architecture
        self.widths: tuple[int, ...] = ()
        size = (clip.frames, clip.size, clip.size)
        self.ops = [Op("input", "input", (), architecture.in_channels, size)]

    def finish(self) -> Network:
        return Network(self.architecture, tuple(self.ops), self.widths)

    def channels(self, x: int) -> int:
        """Of a value."""
        return self.ops[x].channels

    def conv(self, x: int, name: str, channels: int, kernel: Size, stride: Size = ONE, groups: int = 1) -> int:
        """A convolution without bias, padded by half of its kernel on each side."""
        weight = (channels, self.channels(x) // groups, *kernel)
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        return self._window("conv", x, name, channels, kernel, stride, padding, groups, weight)

    def norm(self, x: int, name: str) -> int:
        op = self.ops[x]
        return self._add(Op("norm", name, (x,), op.channels, op.size, weight=(op.channels,)))

    def relu(self, x: int, name: str) -> int:
        return self._add(Op("relu", name, (x,), self.ops[x].channels, self.ops[x].size))

    def max_pool(self, x: int, name: str) -> int:
        """The largest of 3x3x3 at every second place."""
        return self._window("max_pool", x, name, self.channels(x), (3, 3, 3), (2, 2, 2), ONE)

    def avg_pool(self, x: int, name: str) -> int:
        """The mean of each 2x2x2."""
        return self._window("avg_pool", x, name, self.channels(x), (2, 2, 2), (2, 2, 2), (0, 0, 0))

    def subsample(self, x: int, name: str, channels: int, stride: Size) -> int:
        """Shortcut A: every `stride`-th value, and channels of zeros behind the others."""
        return self._window("subsample", x, name, channels, ONE, stride, (0, 0, 0))

    def add(self, x: int, y: int, name: str) -> int:
        return self._add(Op("add", name, (x, y), self.channels(x), self.ops[x].size))

    def concat(self, x: int, y: int, name: str) -> int:
        """The channels of both, one after the other."""
        return self._add(Op("concat", name, (x, y), self.channels(x) + self.channels(y), self.ops[x].size))

    def classify(self, x: int, name: str) -> int:
        """The mean over all that is left, and the linear layer `name` to a score for each class."""
        op, classes = self.ops[x], self.architecture.classes
        pooled = self._add(Op("global_pool", "avgpool", (x,), op.channels, ONE, op.size))
        return self._add(Op("linear", name, (pooled,), classes, ONE, weight=(classes, op.channels)))

    def _window(
        self,
        kind: Kind,
        x: int,
        name: str,
        channels: int,
        kernel: Size,
        stride: Size,
        padding: Size,
        groups: int = 1,
        weight: Shape = (),
    ) -> int:
        places = zip(self.ops[x].size, kernel, stride, padding, strict=True)
        t, h, w = ((n + 2 * p - k) // s + 1 for n, k, s, p in places)
        if min(t, h, w) < 1:
            clip = "x".join(map(str, self.ops[0].size))
            text = N_("a {arch} with conv1_t_stride {stride} and no_max_pool {no_pool} cannot take clips of {clip}")
            hint = N_(
                "give longer or larger clips: preprocess.clip_frames, preprocess.size; or see the training's opts.json"
            )
            arch, stem = self.architecture.name, self.architecture.conv1_t_stride
            no_pool = str(self.architecture.no_max_pool).lower()
            raise InputError(text, hint=hint, arch=arch, stride=stem, no_pool=no_pool, clip=clip)
        return self._add(Op(kind, name, (x,), channels, (t, h, w), kernel, stride, padding, groups, weight))

    def _add(self, op: Op) -> int:
        self.ops.append(op)
        return len(self.ops) - 1


class Family(Struct, frozen=True):
    """One model family: a file in `families` that says `FAMILY = Family(...)`, and nothing else refers to it."""

    name: str
    """As `arch` and the reference's option `--model` have it."""
    depths: tuple[int, ...]
    guess: Callable[[Shapes, int | None], Architecture | None]
    """The network that has most of these tensors; None: none of this family. The number is the depth that the file
    claims, for where the shapes do not tell it. Tensors that do not fit are found by comparing."""
    build: Callable[[Builder, Architecture], None]
    """Adds every operation, from the clips to the scores."""
