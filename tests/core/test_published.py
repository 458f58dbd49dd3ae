"""Published figures stand beside the model, the data and the chip that they are for."""

from __future__ import annotations

from typing import Any

import pytest

from backends.core.published import (
    HMDB51_SPLIT_1,
    RATES,
    RESNET_50,
    published_accuracy,
    published_model,
    published_rates,
)


@pytest.mark.parametrize(
    ("chip", "rates"),
    [
        ("310", [392.21]),
        ("Ascend310", [392.21]),
        ("310P", [794.91]),
        ("Ascend310P1", [794.91]),
        ("310P3", [794.91, 830.72]),
        ("310P3 simulated", [794.91, 830.72]),
        *((name, []) for name in ("310B4", "310Pvir01", "910B3", "2 cores", "")),
    ],
)
def test_rates_go_by_the_chips_name(chip: str, rates: list[float]) -> None:
    """The guide's first, a later one beside it; nothing for what nobody published."""
    assert rates == [one.clips_per_s for one in published_rates(chip)]


def test_another_model_or_batch_has_no_published_figure() -> None:
    """A rate of ResNet-50 at batch 10 says nothing about resnet-18, or about batch 1."""
    assert (
        () == published_rates("310P3", "resnet-18") == published_rates("310P3", "") == published_rates("310", batch=1)
    )
    assert published_accuracy("resnet-18", HMDB51_SPLIT_1) is None
    assert published_accuracy(RESNET_50, "") is None


def test_every_figure_has_its_source() -> None:
    """0.6222 on HMDB51 and three rates, each from a guide."""
    accuracy = published_accuracy(RESNET_50, HMDB51_SPLIT_1)
    assert accuracy is not None
    assert 0.6222 == accuracy.top1
    assert ["guide"] * 4 == [str(one.source)[-5:] for one in (accuracy, *RATES)]


@pytest.mark.parametrize(
    ("figures", "model"),
    [
        ({"arch": "resnet-50", "shortcut": "B", "widen": 1.0}, RESNET_50),
        ({"arch": "resnet-50"}, RESNET_50),
        ({"arch": "resnet-50", "shortcut": "A"}, ""),
        ({"arch": "resnet-50", "widen": 2.0}, ""),
        ({"arch": "resnet-18", "shortcut": "A"}, "resnet-18"),
        ({"arch": 50}, ""),
        ({}, ""),
    ],
)
def test_the_model_is_the_one_that_was_exported(figures: dict[str, Any], model: str) -> None:
    """Another shortcut or width is another network."""
    assert model == published_model(figures)
