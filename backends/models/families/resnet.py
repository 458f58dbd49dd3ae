"""The 3D ResNet of the guide (`models/resnet.py` of the reference)."""

from backends.models.network import Builder, Size
from backends.models.residual import CUBE, bottleneck, conv_norm, conv_norm_relu, residual_family


def _basic(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    x = conv_norm_relu(net, x, f"{name}.conv1", f"{name}.bn1", width, CUBE, stride)
    return conv_norm(net, x, f"{name}.conv2", f"{name}.bn2", outputs, CUBE)


FAMILY = residual_family("resnet", _basic, bottleneck)
