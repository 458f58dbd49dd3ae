"""How far two models' logits of the same clips are apart. Pure arithmetic: it refuses to know models and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

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
