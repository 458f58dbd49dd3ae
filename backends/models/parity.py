"""How far the logits of two models lie apart, and how far they may: pure numbers. `verify` calls it.

It knows no accuracy: a model that agrees with its checkpoint may still be a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from backends.core.settings import VerifySettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ClipDifference(Struct, frozen=True):
    """One clip under a model and under the reference."""

    max_abs: float
    """Largest absolute difference of its logits; infinite where one is not a number."""
    cosine: float
    """Of the two rows of logits; -1 where one is not a number."""
    top1: bool
    """True where the best class is the same."""


class Difference(Struct, frozen=True):
    """All clips: the worst of each measure."""

    max_abs: float
    cosine: float
    top1: float
    """Share of clips with the same best class, 0 to 1."""
    worst: int
    """Place of the clip with the largest difference."""
    clips: tuple[ClipDifference, ...]


class Limits(Struct, frozen=True):
    """Thresholds: largest difference, least cosine, least share of clips with the same best class."""

    max_abs: float
    cosine: float
    top1: float

    def broken(self, found: Difference) -> str | None:
        """The first measure that is over its limit; None where all hold. What is not a number never holds."""
        if not found.max_abs <= self.max_abs:
            return "max_abs"
        if not found.cosine >= self.cosine:
            return "cosine"
        return None if found.top1 >= self.top1 else "top1"


ON_CHIP: Mapping[str, Limits] = {
    "fp16": Limits(max_abs=0.05, cosine=0.999, top1=0.9),
    "bf16": Limits(max_abs=0.4, cosine=0.99, top1=0.8),
}
"""Of an .om that computes in 16 bits.

Rounding every weight and every value between two layers of depths 18 and 50 (four sets of weights, ten real clips)
moved the logits by at most 4.1e-4 of their span in fp16 and 3.5e-3 in bf16, and the cosine by 3.0e-7 and 1.9e-5. The
span of a trained network of 51 classes is 20 to 30: 1.2e-2 and 0.1. The limits are four times that, for a chip adds up
in another order; two classes closer than that may change places, which takes one clip of ten (two in bf16). Huawei's
own guide for comparing an .om with its ONNX calls a cosine below 0.99 a fault.
"""
FULL = frozenset({"must_keep_origin_dtype", "origin"})
"""Modes of atc that keep float32. `force_fp32` is not among them: the matrix unit of a 310P takes fp16 all the same."""


def limits_on_cpu(settings: VerifySettings) -> Limits:
    """Of a model that computes in float32."""
    return Limits(settings.max_abs, settings.cosine, settings.top1)


def limits_on_chip(settings: VerifySettings, precision_mode: str | None) -> Limits:
    """Of an .om by its precision mode (None: not known, so atc's default, fp16), but as the settings have it."""
    mode = precision_mode or ""
    kind = "bf16" if mode.endswith(("bf16", "bfloat16")) else "fp16"
    own = limits_on_cpu(settings) if mode in FULL else ON_CHIP[kind]
    given = {"max_abs": settings.om_max_abs, "cosine": settings.om_cosine, "top1": settings.om_top1}
    return replace(own, **{name: value for name, value in given.items() if value is not None})


def compare(reference: NDArray[np.float32], found: NDArray[np.float32]) -> Difference:
    """Compare logits (clips, classes), row by row, in float64. ValueError where the shapes differ or are empty."""
    if reference.shape != found.shape or reference.ndim != 2 or 0 in reference.shape:
        raise ValueError(f"logits {found.shape} against {reference.shape}")
    clips = tuple(_clip(*rows) for rows in zip(reference, found, strict=True))
    worst = max(range(len(clips)), key=lambda place: clips[place].max_abs)
    return Difference(
        max_abs=clips[worst].max_abs,
        cosine=min(clip.cosine for clip in clips),
        top1=sum(clip.top1 for clip in clips) / len(clips),
        worst=worst,
        clips=clips,
    )


def _clip(reference: NDArray[np.float32], found: NDArray[np.float32]) -> ClipDifference:
    import numpy as np

    a, b = reference.astype(np.float64), found.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return ClipDifference(float("inf"), -1.0, False)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(np.clip(a @ b / norms, -1, 1)) if norms else float(np.array_equal(a, b))
    return ClipDifference(float(np.abs(a - b).max()), cosine, bool(a.argmax() == b.argmax()))
