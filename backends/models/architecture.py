"""A 3D ResNet as data: which convolutions stand where, and every tensor's name and shape. It refuses to compute.

Names and shapes are those of kenshohara/3D-ResNets-PyTorch (`models/resnet.py`), so that its checkpoints fit. The
torch network and the ONNX graph are both built from the records here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Shape = tuple[int, ...]
Triple = tuple[int, int, int]

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
"""Blocks in each of the four layers, by depth."""

FIRST_BOTTLENECK = 50
"""Depths from here on have bottleneck blocks (1x1x1, 3x3x3, 1x1x1, four times as wide at the end)."""

WIDTHS = (64, 128, 256, 512)
"""Channels of the four layers at widen factor 1."""

EPSILON = 1e-5
"""Of every batch normalisation: torch's default, which the reference does not change."""


class Conv(Struct, frozen=True):
    """A convolution without bias and the batch normalisation after it; `name` and `norm` prefix their tensors."""

    name: str
    norm: str
    inputs: int
    outputs: int
    kernel: Triple
    stride: Triple = (1, 1, 1)

    @property
    def padding(self) -> Triple:
        """Half of the kernel on each side: sizes change by the stride alone."""
        t, h, w = self.kernel
        return (t // 2, h // 2, w // 2)


class Block(Struct, frozen=True):
    """One residual block. `project` is shortcut B's convolution; without it and with `resized`, shortcut A pads."""

    name: str
    convs: tuple[Conv, ...]
    project: Conv | None
    stride: int
    inputs: int
    outputs: int

    @property
    def resized(self) -> bool:
        """True where input and output differ in shape, so that the input cannot simply be added."""
        return self.stride != 1 or self.inputs != self.outputs


class Architecture(Struct, frozen=True):
    """All that decides a network's tensors and its forward pass; the names are the reference's options."""

    depth: int
    classes: int
    shortcut: Literal["A", "B"] = "B"
    widen: float = 1.0
    conv1_t_size: int = 7
    conv1_t_stride: int = 1
    no_max_pool: bool = False
    in_channels: int = 3

    @property
    def name(self) -> str:
        """As the reference's checkpoints call it: `resnet-50`."""
        return f"resnet-{self.depth}"

    @property
    def expansion(self) -> int:
        """Output channels of a block for each channel of its width."""
        return 4 if self.depth >= FIRST_BOTTLENECK else 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four layers; the reference cuts the product with the widen factor down to a whole number."""
        return tuple(int(width * self.widen) for width in WIDTHS)

    @property
    def features(self) -> int:
        """Channels that reach the classifier."""
        return self.widths[-1] * self.expansion

    @property
    def stem(self) -> Conv:
        """The first convolution."""
        kernel, stride = (self.conv1_t_size, 7, 7), (self.conv1_t_stride, 2, 2)
        return Conv("conv1", "bn1", self.in_channels, self.widths[0], kernel, stride)

    def blocks(self) -> Iterator[Block]:
        """The residual blocks in the order in which the forward pass meets them."""
        inputs = self.widths[0]
        for number, (count, width) in enumerate(zip(BLOCKS[self.depth], self.widths, strict=True), 1):
            for place in range(count):
                stride = 2 if number > 1 and place == 0 else 1
                block = self._block(f"layer{number}.{place}", inputs, width, stride)
                yield block
                inputs = block.outputs

    def _block(self, name: str, inputs: int, width: int, stride: int) -> Block:
        outputs, step = width * self.expansion, (stride, stride, stride)
        cube, point = (3, 3, 3), (1, 1, 1)
        if self.expansion == 1:
            plans = [(inputs, width, cube, step), (width, outputs, cube, point)]
        else:
            plans = [(inputs, width, point, point), (width, width, cube, step), (width, outputs, point, point)]
        convs = tuple(Conv(f"{name}.conv{n}", f"{name}.bn{n}", *plan) for n, plan in enumerate(plans, 1))
        project = None
        if self.shortcut == "B" and (stride != 1 or inputs != outputs):
            project = Conv(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, point, step)
        return Block(name, convs, project, stride, inputs, outputs)

    def shapes(self) -> dict[str, Shape]:
        """Every tensor of a checkpoint by name, in the reference's order."""
        shapes = dict(_tensors(self.stem))
        for block in self.blocks():
            for conv in (*block.convs, *([block.project] if block.project else [])):
                shapes.update(_tensors(conv))
        shapes["fc.weight"] = (self.classes, self.features)
        shapes["fc.bias"] = (self.classes,)
        return shapes

    def feature_map(self, frames: int, size: int) -> Triple:
        """Frames, height and width that reach the average pool, for clips of `frames` frames of `size` x `size`."""
        strides = [self.stem.stride, *([] if self.no_max_pool else [(2, 2, 2)]), *[(2, 2, 2)] * 3]
        t, h = frames, size
        if self.conv1_t_size % 2 == 0:  # an even kernel with half of itself on each side makes one frame more
            t += 1
        for step in strides:
            t, h = -(-t // step[0]), -(-h // step[1])
        return (t, h, h)


def _tensors(conv: Conv) -> Iterator[tuple[str, Shape]]:
    yield f"{conv.name}.weight", (conv.outputs, conv.inputs, *conv.kernel)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{conv.norm}.{part}", (conv.outputs,)
    yield f"{conv.norm}.num_batches_tracked", ()
