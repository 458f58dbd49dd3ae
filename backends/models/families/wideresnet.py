"""The wide ResNet (`models/wide_resnet.py`): `k` times the widths, and outputs of twice the width."""

from backends.models.residual import bottleneck, residual_family

FAMILY = residual_family("wideresnet", None, bottleneck, expansion=2)
