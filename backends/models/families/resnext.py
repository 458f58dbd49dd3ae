"""ResNeXt (`models/resnext.py`): the 3x3x3 convolutions in 32 groups, the only cardinality that the reference runs."""

from functools import partial

from backends.models.residual import bottleneck, residual_family

CARDINALITY = 32
WIDTHS = (128, 256, 512, 1024)
FAMILY = residual_family("resnext", None, partial(bottleneck, groups=CARDINALITY), expansion=2, widths=WIDTHS)
