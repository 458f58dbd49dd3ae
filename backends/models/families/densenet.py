"""DenseNet (`models/densenet.py`): every layer takes all that the layers of its block before it gave."""

import re
from collections.abc import Mapping

from backends.models.network import ONE, Architecture, Builder, Family, Shapes

BLOCKS: Mapping[int, tuple[int, ...]] = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
"""Layers in each of the four blocks, by depth."""
FIRST = 64
"""Channels of the first convolution."""
GROWTH = 32
"""Channels that each layer adds; four times as many stand between its two convolutions."""


def _build(net: Builder, architecture: Architecture) -> None:
    kernel, stride = (architecture.conv1_t_size, 7, 7), (architecture.conv1_t_stride, 2, 2)
    x = net.norm(net.conv(0, "features.conv1", FIRST, kernel, stride), "features.norm1")
    x = net.relu(x, "features.relu1")
    if not architecture.no_max_pool:
        x = net.max_pool(x, "features.pool1")
    widths = []
    for number, layers in enumerate(BLOCKS[architecture.depth], 1):
        widths.append(net.channels(x))
        for layer in range(1, layers + 1):
            x = _layer(net, x, f"features.denseblock{number}.denselayer{layer}")
        if number < len(BLOCKS[architecture.depth]):
            x = _transition(net, x, f"features.transition{number}")
    net.widths = tuple(widths)
    net.classify(net.relu(net.norm(x, "features.norm5"), "features.relu5"), "classifier")


def _layer(net: Builder, x: int, name: str) -> int:
    y = net.conv(net.relu(net.norm(x, f"{name}.norm1"), f"{name}.relu1"), f"{name}.conv1", 4 * GROWTH, ONE)
    y = net.conv(net.relu(net.norm(y, f"{name}.norm2"), f"{name}.relu2"), f"{name}.conv2", GROWTH, (3, 3, 3))
    return net.concat(x, y, f"{name}.concat")


def _transition(net: Builder, x: int, name: str) -> int:
    y = net.relu(net.norm(x, f"{name}.norm"), f"{name}.relu")
    return net.avg_pool(net.conv(y, f"{name}.conv", net.channels(x) // 2, ONE), f"{name}.pool")


def _guess(shapes: Shapes, depth: int | None) -> Architecture | None:
    first = shapes.get("features.conv1.weight", ())
    places = {m.groups() for name in shapes if (m := re.match(r"features\.denseblock([1-4])\.denselayer(\d+)\.", name))}
    counts = tuple(sum(block == str(number) for block, _ in places) for number in range(1, 5))
    found = next((known for known, blocks in BLOCKS.items() if blocks == counts), depth)
    if len(first) != 5 or 0 in first or found is None or found not in BLOCKS:
        return None
    classes = next(iter(shapes.get("classifier.weight", ())), 0)
    return Architecture(found, classes, conv1_t_size=first[2], in_channels=first[1], family="densenet")


FAMILY = Family("densenet", tuple(BLOCKS), _guess, _build)
