"""What the families of residual networks share: stem, four layers of blocks, shortcuts and classifier."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from backends.models.network import ONE, Architecture, Builder, Family, Shapes, Size

BASIC: Mapping[int, tuple[int, ...]] = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
BOTTLENECK: Mapping[int, tuple[int, ...]] = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BLOCKS = {**BASIC, **BOTTLENECK}
"""Blocks in each of the four layers, by depth."""
WIDTHS = (64, 128, 256, 512)
"""Channels inside the blocks of the four layers at widen factor 1."""
CUBE: Size = (3, 3, 3)

MainPath = Callable[[Builder, int, str, int, int, Size], int]
"""(net, x, block's name, width, outputs, stride) to the value that the shortcut is added to."""


def plain_stem(net: Builder, width: int) -> int:
    """The first convolution; frames are halved only where conv1_t_stride says so."""
    options = net.architecture
    kernel, stride = (options.conv1_t_size, 7, 7), (options.conv1_t_stride, 2, 2)
    return conv_norm_relu(net, 0, "conv1", "bn1", width, kernel, stride)


def residual_family(
    name: str,
    basic: MainPath | None,
    deep: MainPath,
    *,
    expansion: int = 4,
    widths: tuple[int, ...] = WIDTHS,
    stem: Callable[[Builder, int], int] = plain_stem,
    stem_convs: tuple[str, str] = ("conv1", "conv1"),
    relu_after: bool = True,
) -> Family:
    """A family with blocks of `basic`, and of `deep` in the deeper networks; without `basic` it has those alone.

    `expansion`: output channels of a deep block for each channel of its width. `stem_convs`: the convolutions of the
    stem that say its frames and its input channels. `relu_after`: a ReLU ends each block.
    """
    depths = BOTTLENECK if basic is None else BLOCKS

    def build(net: Builder, architecture: Architecture) -> None:
        path, factor = (deep, expansion) if basic is None or architecture.depth in BOTTLENECK else (basic, 1)
        net.widths = tuple(int(width * architecture.widen) for width in widths)  # cut down, as the reference does it
        x = stem(net, net.widths[0])
        if not architecture.no_max_pool:
            x = net.max_pool(x, "maxpool")
        for layer, (count, width) in enumerate(zip(BLOCKS[architecture.depth], net.widths, strict=True), 1):
            for place in range(count):
                block, step = f"layer{layer}.{place}", 2 if layer > 1 and place == 0 else 1
                outputs, stride = width * factor, (step, step, step)
                y = path(net, x, block, width, outputs, stride)
                x = net.add(y, _shortcut(net, x, block, outputs, stride), f"{block}.add")
                x = net.relu(x, f"{block}.relu") if relu_after else x
        net.classify(x, "fc")

    return Family(name, tuple(depths), partial(_guess, name, depths, widths[0], stem_convs), build)


def conv_norm(net: Builder, x: int, conv: str, norm: str, channels: int, kernel: Size, stride: Size = ONE) -> int:
    return net.norm(net.conv(x, conv, channels, kernel, stride), norm)


def conv_norm_relu(net: Builder, x: int, conv: str, norm: str, channels: int, kernel: Size, stride: Size = ONE) -> int:
    return net.relu(conv_norm(net, x, conv, norm, channels, kernel, stride), f"{norm}.relu")


def bottleneck(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size, groups: int = 1) -> int:
    """1x1x1 to the width, 3x3x3 in groups, 1x1x1 to the outputs."""
    x = conv_norm_relu(net, x, f"{name}.conv1", f"{name}.bn1", width, ONE)
    x = net.norm(net.conv(x, f"{name}.conv2", width, CUBE, stride, groups), f"{name}.bn2")
    return conv_norm(net, net.relu(x, f"{name}.bn2.relu"), f"{name}.conv3", f"{name}.bn3", outputs, ONE)


def _shortcut(net: Builder, x: int, name: str, outputs: int, stride: Size) -> int:
    if stride == ONE and net.channels(x) == outputs:
        return x
    if net.architecture.shortcut == "A":
        return net.subsample(x, f"{name}.shortcut", outputs, stride)
    return conv_norm(net, x, f"{name}.downsample.0", f"{name}.downsample.1", outputs, ONE, stride)


def _guess(
    family: str,
    depths: Mapping[int, tuple[int, ...]],
    first: int,
    stem_convs: tuple[str, str],
    shapes: Shapes,
    depth: int | None,
) -> Architecture | None:
    """Depth by the count of blocks, widen factor by the widest layer; `first`: the first layer's width at factor 1."""
    end, begin = (shapes.get(f"{conv}.weight", ()) for conv in stem_convs)
    widest = shapes.get("layer4.0.conv1.weight") or shapes.get("layer4.0.conv1_t.weight") or ()
    if not (len(end) == len(begin) == 5 and len(widest) == 5) or 0 in (*end, *begin, *widest):
        return None
    counts, is_bottleneck = _counts(shapes), "layer1.0.conv3.weight" in shapes
    fitting = [d for d, blocks in depths.items() if blocks == counts and is_bottleneck == (d in BOTTLENECK)]
    found = next(iter(fitting), depth)
    if found is None or found not in depths:
        return None
    factor = widest[0] / (8 * first)
    return Architecture(
        found,
        next(iter(shapes.get("fc.weight", ())), 0),
        "B" if any(".downsample." in name for name in shapes) else "A",
        factor if int(first * factor) == end[0] else end[0] / first,
        end[2],
        in_channels=begin[1],
        family=family,
    )


def _counts(shapes: Shapes) -> tuple[int, ...]:
    blocks = {match.groups() for name in shapes if (match := re.match(r"layer([1-4])\.(\d+)\.", name))}
    return tuple(sum(layer == str(number) for layer, _ in blocks) for number in range(1, 5))
