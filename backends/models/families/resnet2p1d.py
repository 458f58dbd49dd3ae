"""R(2+1)D (`models/resnet2p1d.py`): each convolution in space and time is one in space and one in time.

Between them stand as many planes as give the pair the parameters of the whole.
"""

from backends.models.network import ONE, Builder, Size
from backends.models.residual import conv_norm, conv_norm_relu, residual_family


def _pair(net: Builder, x: int, block: str, place: str, channels: int, kernel: tuple[int, int], stride: Size) -> int:
    """`kernel` is its frames and its side. The last ReLU is left to the caller."""
    (t, side), (step, *sides) = kernel, stride
    inputs = net.channels(x) if block else 3  # the stem counts three channels whatever is put in
    middle = (inputs * channels * t * side**2) // (inputs * side**2 + t * channels)
    conv, norm = f"{block}conv{place}", f"{block}bn{place}"
    x = conv_norm_relu(net, x, f"{conv}_s", f"{norm}_s", middle, (1, side, side), (1, sides[0], sides[1]))
    return conv_norm(net, x, f"{conv}_t", f"{norm}_t", channels, (t, 1, 1), (step, 1, 1))


def _basic(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    x = net.relu(_pair(net, x, f"{name}.", "1", width, (3, 3), stride), f"{name}.relu1")
    return _pair(net, x, f"{name}.", "2", outputs, (3, 3), ONE)


def _bottleneck(net: Builder, x: int, name: str, width: int, outputs: int, stride: Size) -> int:
    x = conv_norm_relu(net, x, f"{name}.conv1", f"{name}.bn1", width, ONE)
    x = net.relu(_pair(net, x, f"{name}.", "2", width, (3, 3), stride), f"{name}.relu2")
    return conv_norm(net, x, f"{name}.conv3", f"{name}.bn3", outputs, ONE)


def _stem(net: Builder, width: int) -> int:
    options = net.architecture
    x = _pair(net, 0, "", "1", width, (options.conv1_t_size, 7), (options.conv1_t_stride, 2, 2))
    return net.relu(x, "relu")


FAMILY = residual_family("resnet2p1d", _basic, _bottleneck, stem=_stem, stem_convs=("conv1_t", "conv1_s"))
