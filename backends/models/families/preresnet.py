"""The pre-activation ResNet (`models/pre_act_resnet.py`): normalization and ReLU stand before each convolution."""

from backends.models.network import ONE, Architecture, Builder, Family, Size
from backends.models.residual import BASIC, BLOCKS, CUBE, expansion, guess_residual, residual, stem, widened


def _basic(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    return _chain(net, x, name, ((width, CUBE, stride), (outputs, CUBE, ONE)))


def _bottleneck(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    return _chain(net, x, name, ((width, ONE, ONE), (width, CUBE, stride), (outputs, ONE, ONE)))


def _chain(net: Builder, x: int, name: str, convs: tuple[tuple[int, Size, Size], ...]) -> int:
    for number, (channels, kernel, stride) in enumerate(convs, 1):
        x = net.relu(net.norm(x, f"{name}.bn{number}"), f"{name}.bn{number}.relu")
        x = net.conv(x, f"{name}.conv{number}", channels, kernel, stride)
    return x


def _build(net: Builder, architecture: Architecture) -> None:
    main_path = _basic if architecture.depth in BASIC else _bottleneck
    widths = widened(architecture.widen)
    residual(net, widths, expansion(architecture.depth), main_path, stem, relu_after=False)


FAMILY = Family("preresnet", tuple(BLOCKS), guess_residual("preresnet", BLOCKS), _build)
