"""The guide's published figures for HMDB51, and when they may be compared. It refuses to know any file."""

from __future__ import annotations

from backends.data.class_names import HMDB51

VALIDATION_VIDEOS = 1530
"""Videos of split 1's validation subset."""

PUBLISHED_TOP1 = 0.6222
"""The guide's accuracy on split 1's validation subset."""

PUBLISHED_CLIPS_PER_S: dict[str, float] = {"310": 392.21, "310P": 794.91}
"""The guide's rates by chip, batch 10: compute only, filler clips counted."""


def published_top1(labels: tuple[str, ...], videos_listed: int) -> float | None:
    """The guide's accuracy where it may be compared: HMDB51's own 51 classes and all of split 1's validation videos."""
    same = tuple(sorted(labels)) == HMDB51 and videos_listed == VALIDATION_VIDEOS
    return PUBLISHED_TOP1 if same else None
