"""Tests of `backends.models.parity`."""

from __future__ import annotations

import numpy as np
import pytest

from backends.core.settings import VerifySettings
from backends.models.parity import Difference, Limits, compare, limits_on_chip, limits_on_cpu


def test_compare_gives_the_worst_of_each() -> None:
    """Largest difference and its clip, least cosine, share of equal best classes."""
    reference = np.float32([[1, 0], [0, 2], [3, 0]])
    found = np.float32([[1, 0], [0, 2.5], [1, 2]])
    difference = compare(reference, found)
    assert (2.0, 2, 2 / 3) == (difference.max_abs, difference.worst, difference.top1)
    assert pytest.approx(1 / 5**0.5) == difference.cosine


def test_compare_never_passes_what_is_not_a_number() -> None:
    """A logit that is not a number is infinitely far, whatever the limits."""
    difference = compare(np.float32([[1, 2]]), np.float32([[np.nan, 2]]))
    assert (float("inf"), -1.0, 0.0) == (difference.max_abs, difference.cosine, difference.top1)
    with pytest.raises(ValueError, match="against"):
        compare(np.zeros((1, 2), np.float32), np.zeros((2, 2), np.float32))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(0.1, 0.9, 0.5), None),
        (Limits(0.01, 0.9, 0.5), "max_abs"),
        (Limits(0.1, 0.99, 0.5), "cosine"),
        (Limits(0.1, 0.9, 0.9), "top1"),
    ],
)
def test_each_limit_counts(limits: Limits, expected: str | None) -> None:
    """Each of the three alone can be broken, and what is no number breaks the first."""
    assert expected == limits.broken(Difference(0.1, 0.95, 0.8, 0, ()))
    assert "max_abs" == limits.broken(Difference(float("nan"), 1.0, 1.0, 0, ()))


@pytest.mark.parametrize(
    ("mode", "max_abs"),
    [
        (None, 0.05),
        ("force_fp16", 0.05),
        ("force_fp32", 0.05),
        ("allow_fp32_to_fp16", 0.05),
        ("cube_fp16in_fp32out", 0.05),
        ("allow_mix_precision", 0.05),
        ("allow_mix_precision_bf16", 0.4),
        ("mixed_bfloat16", 0.4),
        ("must_keep_origin_dtype", 1e-3),
        ("origin", 1e-3),
    ],
)
def test_limits_go_by_the_precision_mode(mode: str | None, max_abs: float) -> None:
    """Sixteen bits have limits of their own, modes that keep float32 have its limits."""
    assert max_abs == limits_on_chip(VerifySettings(), mode).max_abs


def test_settings_replace_single_limits() -> None:
    """One that is given counts for every mode, the others stay."""
    given = VerifySettings(max_abs=1e-4, om_top1=0.5)
    assert Limits(1e-4, 0.9999, 1.0) == limits_on_cpu(given)
    assert Limits(0.05, 0.999, 0.5) == limits_on_chip(given, "force_fp16")
    assert Limits(1e-4, 0.9999, 0.5) == limits_on_chip(given, "origin")
