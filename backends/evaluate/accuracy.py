"""From each video's best labels and the annotation to an accuracy, counted as the guide's eval_accuracy.py counts.

Right is a video whose label is among its k best. It refuses to know models, clips and files but val.json.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.contract.errors import InputError
from backends.contract.events import SetAside
from backends.contract.lines import Line, line
from backends.contract.values import ClassScore, Confusion, Report, VideoScore
from backends.evaluate.hmdb51 import published_top1
from backends.stores.annotation import Annotation, Video

Z95 = 1.959963984540054
WORST = 200

Ranking = tuple[tuple[str, float], ...]
"""(label, score), best first."""


@dataclass(frozen=True, slots=True)
class Val:
    """A checked val.json."""

    results: Mapping[str, Ranking]
    set_aside: tuple[SetAside, ...] = ()


def read_val(path: Path, labels: frozenset[str]) -> Val:
    """Read val.json. InputError where it is not one; a video with a bad entry is set aside by name."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        hint = "give the val.json that the score step wrote"
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        hint = "give the val.json that the score step wrote"
        raise InputError("{path}: not JSON: {reason}", hint=hint, path=str(path), reason=str(error)[:120]) from None
    table = document.get("results") if isinstance(document, dict) else None
    if not isinstance(table, dict):
        hint = "it must hold results: for each video a list of labels and scores"
        raise InputError("{path}: no results", hint=hint, path=str(path))
    results: dict[str, Ranking] = {}
    aside: list[SetAside] = []
    for video, entry in table.items():
        ranking, trouble = _ranking(entry, labels)
        if ranking:
            results[video] = ranking
        else:
            aside.append(SetAside(video, trouble))
    return Val(results, tuple(aside))


def _ranking(entry: Any, labels: frozenset[str]) -> tuple[Ranking, Line]:
    if not isinstance(entry, list) or not entry:
        return (), line("its result is empty")
    pairs = []
    for item in entry:
        label, score = (item.get("label"), item.get("score")) if isinstance(item, dict) else (None, None)
        if not isinstance(score, int | float) or isinstance(score, bool) or not math.isfinite(score):
            return (), line("a score of its result is not a number")
        if label not in labels:
            return (), line("the label {label} of its result is not in the annotation", label=ascii(label)[:80])
        pairs.append((str(label), float(score)))
    return tuple(sorted(pairs, key=lambda pair: -pair[1])), Line("")


def hits(videos: Sequence[Video], results: Mapping[str, Ranking], k: int) -> int:
    """How many of `videos` have their label among the k best of their result."""
    return sum(any(label == video.label for label, _ in results.get(video.id, ())[:k]) for video in videos)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share; (0, 1) where there is nothing to count."""
    if not total:
        return 0.0, 1.0
    share, z2 = right / total, Z95 * Z95
    centre = share + z2 / (2 * total)
    spread = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    below, above = (centre - spread) / (1 + z2 / total), (centre + spread) / (1 + z2 / total)
    return max(0.0, below), min(1.0, above)


def evaluate(
    annotation: Annotation, results: Mapping[str, Ranking], subset: str, k: int, *, clips: int | None = None
) -> Report:
    """The report over the subset's videos that have a result. InputError where there are none."""
    listed = list(annotation.subset(subset))
    videos = [video for video in listed if results.get(video.id)]
    if not listed:
        known = ", ".join(sorted({video.subset for video in annotation.videos})[:6])
        text = "the annotation lists no videos of the subset {subset}"
        raise InputError(text, hint="it has: {known}", subset=subset, known=known)
    if not videos:
        text = "no video of the subset {subset} has a result"
        raise InputError(text, hint="is this the val.json of another data set?", subset=subset)
    first, among = hits(videos, results, 1), hits(videos, results, k)
    low, high = wilson(first, len(videos))
    return Report(
        subset=subset,
        videos=len(videos),
        videos_listed=len(listed),
        videos_set_aside=len(listed) - len(videos),
        clips=clips,
        k=k,
        top1=first / len(videos),
        topk=among / len(videos),
        top1_low=low,
        top1_high=high,
        top1_all=first / len(listed),
        classes=_classes(videos, results, k),
        confusions=_confusions(videos, results),
        worst=_worst(videos, results),
        published_top1=published_top1(annotation.labels, len(listed)),
    )


def _classes(videos: Sequence[Video], results: Mapping[str, Ranking], k: int) -> tuple[ClassScore, ...]:
    groups: dict[str, list[Video]] = {}
    for video in videos:
        groups.setdefault(video.label, []).append(video)
    return tuple(
        ClassScore(label, len(group), hits(group, results, 1), hits(group, results, k))
        for label, group in sorted(groups.items())
    )


def _confusions(videos: Sequence[Video], results: Mapping[str, Ranking]) -> tuple[Confusion, ...]:
    pairs = Counter((video.label, results[video.id][0][0]) for video in videos)
    wrong = [Confusion(label, predicted, n) for (label, predicted), n in pairs.items() if label != predicted]
    return tuple(sorted(wrong, key=lambda pair: (-pair.videos, pair.label, pair.predicted)))


def _worst(videos: Sequence[Video], results: Mapping[str, Ranking]) -> tuple[VideoScore, ...]:
    wrong = [score for score in (video_score(v, results[v.id]) for v in videos) if score.predicted != score.label]
    return tuple(sorted(wrong, key=lambda score: (-score.score, score.video))[:WORST])


def video_score(video: Video, ranking: Ranking) -> VideoScore:
    """One video's predicted label and what its own label scored, where the result lists it."""
    predicted, score = ranking[0]
    return VideoScore(video.id, video.label, predicted, score, dict(ranking).get(video.label))
