"""The 3D ResNet of the guide (`models/resnet.py` of the reference)."""

from backends.models.network import Architecture, Builder, Family, Size
from backends.models.residual import (
    BASIC,
    BLOCKS,
    CUBE,
    bottleneck,
    conv_norm,
    conv_norm_relu,
    expansion,
    guess_residual,
    residual,
    stem,
    widened,
)


def _basic(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    x = conv_norm_relu(net, x, f"{name}.conv1", f"{name}.bn1", width, CUBE, stride)
    return conv_norm(net, x, f"{name}.conv2", f"{name}.bn2", outputs, CUBE)


def _build(net: Builder, architecture: Architecture) -> None:
    main_path = _basic if architecture.depth in BASIC else bottleneck
    residual(net, widened(architecture.widen), expansion(architecture.depth), main_path, stem)


FAMILY = Family("resnet", tuple(BLOCKS), guess_residual("resnet", BLOCKS), _build)
