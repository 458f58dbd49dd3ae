"""The pre-activation ResNet (`models/pre_act_resnet.py`): normalization and ReLU stand before each convolution."""

from backends.models.network import ONE, Builder, Size
from backends.models.residual import CUBE, residual_family


def _basic(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    return _chain(net, x, name, ((width, CUBE, stride), (outputs, CUBE, ONE)))


def _bottleneck(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    return _chain(net, x, name, ((width, ONE, ONE), (width, CUBE, stride), (outputs, ONE, ONE)))


def _chain(net: Builder, x: int, name: str, convs: tuple[tuple[int, Size, Size], ...]) -> int:
    for number, (channels, kernel, stride) in enumerate(convs, 1):
        x = net.relu(net.norm(x, f"{name}.bn{number}"), f"{name}.bn{number}.relu")
        x = net.conv(x, f"{name}.conv{number}", channels, kernel, stride)
    return x


FAMILY = residual_family("preresnet", _basic, _bottleneck, relu_after=False)
