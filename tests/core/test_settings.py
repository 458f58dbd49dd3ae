"""Tests of `backends.core.settings`."""

from __future__ import annotations

import pytest

from backends.core.model_io import NORMALIZATIONS, Normalization
from backends.core.settings import PreprocessSettings


def test_presets_are_the_references() -> None:
    """Without mean and std the preset's count, whatever the range of values that the model was trained with."""
    for name, preset in NORMALIZATIONS.items():
        for scale in (1, 255):
            assert preset == PreprocessSettings(mean_dataset=name, value_scale=scale).normalization


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"mean": (0.0, 0.0, 0.0)}, Normalization((0.0, 0.0, 0.0), NORMALIZATIONS["kinetics"].std)),
        ({"std": (1.0, 1.0, 1.0)}, Normalization(NORMALIZATIONS["kinetics"].mean, (1.0, 1.0, 1.0))),
        (
            {"mean": (51.0, 102.0, 0.0), "std": (1.0, 1.0, 1.0), "value_scale": 255},
            Normalization((0.2, 0.4, 0.0), (1 / 255, 1 / 255, 1 / 255)),
        ),
    ],
    ids=["no mean", "no std", "0 to 255"],
)
def test_given_values_are_of_the_given_range(given: dict[str, object], expected: Normalization) -> None:
    """A mean and a deviation of values from 0 to 255 are brought to the 0 to 1 that clips are normalized in."""
    assert expected == PreprocessSettings(**given).normalization
