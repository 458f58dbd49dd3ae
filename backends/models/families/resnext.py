"""ResNeXt (`models/resnext.py`): the 3x3x3 convolutions in 32 groups, the only cardinality that the reference runs."""

from backends.models.network import Architecture, Builder, Family, Size
from backends.models.residual import BOTTLENECK, bottleneck, guess_residual, residual, stem, widened

CARDINALITY = 32
WIDTHS = (128, 256, 512, 1024)


def _grouped(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    return bottleneck(net, x, name, width, outputs, stride, groups=CARDINALITY)


def _build(net: Builder, architecture: Architecture) -> None:
    residual(net, widened(architecture.widen, WIDTHS), 2, _grouped, stem)


FAMILY = Family("resnext", tuple(BOTTLENECK), guess_residual("resnext", BOTTLENECK, WIDTHS[0]), _build)
