"""What the families of residual networks share: stem, four layers of blocks, shortcuts and classifier."""

import re
from collections.abc import Callable, Mapping

from backends.models.network import ONE, Architecture, Builder, Shapes, Size

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


def expansion(depth: int) -> int:
    """Output channels of a resnet's block for each channel of its width."""
    return 4 if depth in BOTTLENECK else 1


def residual(
    net: Builder,
    widths: tuple[int, ...],
    outputs_per_width: int,
    main_path: MainPath,
    stem: Callable[[Builder, int], int],
    relu_after: bool = True,
) -> None:
    """Add the whole network; `relu_after`: a ReLU ends each block."""
    architecture = net.architecture
    net.widths = widths
    x = stem(net, widths[0])
    if not architecture.no_max_pool:
        x = net.max_pool(x, "maxpool")
    for layer, (count, width) in enumerate(zip(BLOCKS[architecture.depth], widths, strict=True), 1):
        for place in range(count):
            name, step = f"layer{layer}.{place}", 2 if layer > 1 and place == 0 else 1
            outputs, stride = width * outputs_per_width, (step, step, step)
            y = main_path(net, x, name, width, outputs, stride)
            x = net.add(y, _shortcut(net, x, name, outputs, stride), f"{name}.add")
            x = net.relu(x, f"{name}.relu") if relu_after else x
    net.classify(x, "fc")


def stem(net: Builder, width: int) -> int:
    """The first convolution; frames are halved only where conv1_t_stride says so."""
    options = net.architecture
    kernel, stride = (options.conv1_t_size, 7, 7), (options.conv1_t_stride, 2, 2)
    return conv_norm_relu(net, 0, "conv1", "bn1", width, kernel, stride)


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


def widened(factor: float, widths: tuple[int, ...] = WIDTHS) -> tuple[int, ...]:
    """The reference cuts the product down to a whole number."""
    return tuple(int(width * factor) for width in widths)


def guess_residual(
    family: str,
    depths: Mapping[int, tuple[int, ...]],
    first: int = WIDTHS[0],
    last_stem: str = "conv1",
    spatial: str = "conv1",
) -> Callable[[Shapes, int | None], Architecture | None]:
    """A family's `guess`: depth by the count of blocks, widen factor by the widest layer.

    `first` are the channels of the first layer at factor 1, `last_stem` and `spatial` the convolutions of the stem that
    say its frames and its input channels.
    """

    def guess(shapes: Shapes, depth: int | None) -> Architecture | None:
        end, begin = shapes.get(f"{last_stem}.weight", ()), shapes.get(f"{spatial}.weight", ())
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

    return guess


def _counts(shapes: Shapes) -> tuple[int, ...]:
    blocks = {match.groups() for name in shapes if (match := re.match(r"layer([1-4])\.(\d+)\.", name))}
    return tuple(sum(layer == str(number) for layer, _ in blocks) for number in range(1, 5))
