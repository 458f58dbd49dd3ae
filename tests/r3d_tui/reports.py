"""Reports for the tests of the console."""

from __future__ import annotations

from backends.core.values import ClassScore, Confusion, Report


def report_of(classes: int, videos: int = 4) -> Report:
    """Each class has one video that is predicted as the next one, of the last class as one that is not listed."""
    names = [f"class{n:02d}" for n in range(classes)]
    confusions = [Confusion(a, b, 1) for a, b in zip(names, [*names[1:], "zzz"], strict=True)]
    total = classes * videos
    return Report(
        subset="validation",
        videos=total,
        videos_listed=total,
        videos_set_aside=0,
        clips=total,
        k=5,
        top1=0.75,
        topk=1.0,
        top1_low=0.7,
        top1_high=0.8,
        top1_all=0.75,
        classes=tuple(ClassScore(name, videos, videos - 1, videos) for name in names),
        confusions=tuple(confusions),
    )
