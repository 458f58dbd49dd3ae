"""The 3D ResNet in torch, with the reference's parameter names. It refuses to know files, clips and runtimes.

The classes stand inside functions because torch takes seconds to import and most stages never need it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

from backends.models.architecture import EPSILON, Architecture, Block, Conv

if TYPE_CHECKING:
    from torch import Tensor, nn


def build_network(
    depth: int,
    classes: int,
    shortcut: Literal["A", "B"] = "B",
    widen: float = 1.0,
    conv1_t_size: int = 7,
    conv1_t_stride: int = 1,
    no_max_pool: bool = False,
    in_channels: int = 3,
) -> nn.Module:
    """A new network in training mode, its weights drawn as the reference draws them (set `torch.manual_seed` before).

    It maps float32 (clips, in_channels, frames, height, width) to logits (clips, classes). Its `state_dict()` has the
    reference's names and order.
    """
    return from_architecture(
        Architecture(depth, classes, shortcut, widen, conv1_t_size, conv1_t_stride, no_max_pool, in_channels)
    )


def from_architecture(architecture: Architecture) -> nn.Module:
    """`build_network` of an architecture, such as one read from a checkpoint."""
    return _network_class()(architecture)


def _convolution(conv: Conv) -> nn.Module:
    from torch import nn

    return nn.Conv3d(conv.inputs, conv.outputs, conv.kernel, conv.stride, conv.padding, bias=False)


def _norm(conv: Conv) -> nn.Module:
    from torch import nn

    return nn.BatchNorm3d(conv.outputs, eps=EPSILON)


@functools.cache
def _block_class() -> type[nn.Module]:
    import torch
    from torch import nn

    class ResidualBlock(nn.Module):
        """Basic or bottleneck, as its record says."""

        def __init__(self, block: Block) -> None:
            super().__init__()
            self.pairs = len(block.convs)
            for number, conv in enumerate(block.convs, 1):
                self.add_module(f"conv{number}", _convolution(conv))
                self.add_module(f"bn{number}", _norm(conv))
            if block.project is not None:
                self.downsample = nn.Sequential(_convolution(block.project), _norm(block.project))
            self.block = block

        def forward(self, x: Tensor) -> Tensor:
            out = x
            for number in range(1, self.pairs + 1):
                out = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(out))
                if number < self.pairs:
                    out = torch.relu_(out)
            return torch.relu_(out.add_(self.shortcut(x)))

        def shortcut(self, x: Tensor) -> Tensor:
            """The input in the output's shape; type A takes every second value and adds channels of zeros."""
            if not self.block.resized:
                return x
            if self.block.project is not None:
                return self.get_submodule("downsample")(x)  # type: ignore[no-any-return]
            step = self.block.stride
            more = self.block.outputs - self.block.inputs
            return nn.functional.pad(x[:, :, ::step, ::step, ::step], (0, 0, 0, 0, 0, 0, 0, more))

    return ResidualBlock


@functools.cache
def _network_class() -> type[nn.Module]:
    import torch
    from torch import nn

    class ResNet3d(nn.Module):
        """kenshohara's 3D ResNet."""

        def __init__(self, architecture: Architecture) -> None:
            super().__init__()
            self.architecture = architecture
            self.conv1 = _convolution(architecture.stem)
            self.bn1 = _norm(architecture.stem)
            layers: dict[str, nn.Sequential] = {}
            for block in architecture.blocks():
                layers.setdefault(block.name.partition(".")[0], nn.Sequential()).append(_block_class()(block))
            for name, layer in layers.items():
                self.add_module(name, layer)
            self.layer_names = tuple(layers)
            self.fc = nn.Linear(architecture.features, architecture.classes)
            for module in self.modules():
                if isinstance(module, nn.Conv3d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu_(self.bn1(self.conv1(x)))
            if not self.architecture.no_max_pool:
                x = nn.functional.max_pool3d(x, kernel_size=3, stride=2, padding=1)
            for name in self.layer_names:
                x = self.get_submodule(name)(x)
            # the guide's AvgPool3d((1, 4, 4)) for clips of 16x112x112, and the same mean for any other size
            pooled = nn.functional.adaptive_avg_pool3d(x, 1)
            return self.fc(torch.flatten(pooled, 1))  # type: ignore[no-any-return]

    return ResNet3d
