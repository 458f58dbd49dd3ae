"""Figures that others published, each with the model and data it is for; evaluate, bench and the views compare by it.

A figure is given only for that very model: a rate of ResNet-50 says nothing about another network.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from backends.core.messages import Line, Scalar, line

RESNET_50 = "resnet-50"
"""As `published_model` names it: 3D, shortcut B, of the common width."""
HMDB51_SPLIT_1 = "HMDB51, split 1, validation"


class PublishedAccuracy(Struct, frozen=True):
    """A top-1 accuracy, 0 to 1, over a subset of a data set."""

    model: str
    data: str
    top1: float
    source: Line


class PublishedRate(Struct, frozen=True):
    """Clips/s of one chip: compute only, filler clips counted."""

    model: str
    chip: str
    batch: int
    clips_per_s: float
    source: Line


_GUIDE = line("the ModelZoo guide")
ACCURACIES = (PublishedAccuracy(RESNET_50, HMDB51_SPLIT_1, 0.6222, _GUIDE),)
RATES = (
    PublishedRate(RESNET_50, "310", 10, 392.21, _GUIDE),
    PublishedRate(RESNET_50, "310P", 10, 794.91, _GUIDE),
    PublishedRate(RESNET_50, "310P3", 10, 830.72, line("a later edition of the guide")),
)
_CHIP = re.compile(r"(?:Ascend)?\s*(310P\d?|310)(?: simulated)?", re.IGNORECASE)


MODEL_FIGURES = ("arch", "widen", "shortcut")
"""The figures of the export stage that `published_model` looks at."""


def published_model(figures: Mapping[str, Scalar]) -> str:
    """The model that the export stage's figures describe, by the name that figures stand under; empty: unknown."""
    arch, widen, shortcut = (figures.get(name) for name in MODEL_FIGURES)
    if not isinstance(arch, str) or widen not in (None, 1, 1.0) or (arch == RESNET_50 and shortcut not in (None, "B")):
        return ""
    return arch


def published_accuracy(model: str, data: str) -> PublishedAccuracy | None:
    return next((one for one in ACCURACIES if (one.model, one.data) == (model, data)), None)


def published_rates(chip: str, model: str = RESNET_50, batch: int = 10) -> tuple[PublishedRate, ...]:
    """Rates of a chip of that name (`310P3`, `Ascend310P3`), the guide's first; none for other chips and for vNPUs."""
    found = _CHIP.fullmatch(chip.strip())
    if found is None:
        return ()
    kind = found[1].upper()
    return tuple(one for one in RATES if (one.model, one.batch) == (model, batch) and one.chip in (kind, kind[:4]))
