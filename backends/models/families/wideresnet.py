"""The wide ResNet (`models/wide_resnet.py`): `k` times the widths, and outputs of twice the width."""

from backends.models.network import Architecture, Builder, Family
from backends.models.residual import BOTTLENECK, bottleneck, guess_residual, residual, stem, widened


def _build(net: Builder, architecture: Architecture) -> None:
    residual(net, widened(architecture.widen), 2, bottleneck, stem)


FAMILY = Family("wideresnet", tuple(BOTTLENECK), guess_residual("wideresnet", BOTTLENECK), _build)
