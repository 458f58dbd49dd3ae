"""From each video's best labels and the annotation to an accuracy, counted as the guide's eval_accuracy.py counts.

Right is a video whose label is among its k best. It refuses to know models, clips and files but val.json.
"""

from __future__ import annotations

import heapq
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from backends.core.errors import InputError
from backends.core.events import SetAside
from backends.core.messages import Line, line
from backends.core.published import HMDB51_SPLIT_1, published_accuracy
from backends.core.values import ClassScore, Confusion, Report, VideoScore
from backends.data.annotation import Annotation, Video
from backends.data.class_names import HMDB51
from backends.data.fast_json_scan import END, NAME, scan
from backends.evaluate.rankings import Ranking, Rankings

Z95 = 1.959963984540054
WORST = 200
SPLIT_1_VIDEOS = 1530
"""Videos of the validation subset of HMDB51's split 1."""

_HEAD = re.compile(rb'\{"results": ?\{')
_ENTRY = re.compile(NAME + rb": ?(\[[^\[\]]*\])" + END)


@dataclass(frozen=True, slots=True)
class Val:
    """A checked val.json."""

    results: Rankings
    set_aside: tuple[SetAside, ...] = ()


def read_val(path: Path, labels: frozenset[str]) -> Val:
    """Read val.json. InputError where it is not one; a video with a bad entry is set aside by name."""
    hint = "give the val.json that the score step wrote"
    try:
        with open(path, "rb") as file:
            try:
                entries = ((found[1].decode("ascii"), json.loads(found[2])) for found in _plain(file))
                return _checked(entries, labels)
            except ValueError:  # another spelling, or no JSON: the careful way says which
                file.seek(0)
                document = json.load(file)
    except OSError as error:
        raise InputError("{path}: {reason}", hint=hint, path=str(path), reason=error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise InputError("{path}: not JSON: {reason}", hint=hint, path=str(path), reason=str(error)[:120]) from None
    table = document.get("results") if isinstance(document, dict) else None
    if not isinstance(table, dict):
        hint = "it must hold results: for each video a list of labels and scores"
        raise InputError("{path}: no results", hint=hint, path=str(path))
    return _checked(table.items(), labels)


def _plain(file: IO[bytes]) -> Iterator[re.Match[bytes]]:
    """A file as we and `json.dumps` write it, video by video: of 100,000 it takes 200 MB when it is read whole."""
    entries = scan(file, _HEAD, _ENTRY)
    next(entries)
    return entries


def _checked(entries: Iterable[tuple[str, Any]], labels: frozenset[str]) -> Val:
    results, aside = Rankings(), []
    for video, entry in entries:
        ranking, trouble = _ranking(entry, labels)
        if ranking:
            results.add(video, ranking)
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
        pairs.append((label, float(score)))
    return tuple(sorted(pairs, key=lambda pair: -pair[1])), Line("")


def hits(videos: Iterable[Video], results: Mapping[str, Ranking], k: int) -> int:
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
    annotation: Annotation,
    results: Mapping[str, Ranking],
    subset: str,
    k: int,
    *,
    clips: int | None = None,
    model: str = "",
) -> Report:
    """The report over the subset's videos that have a result. InputError where there are none."""
    listed = annotation.subset(subset)
    if not listed:
        known = ", ".join(sorted({video.subset for video in annotation.videos})[:6])
        text = "the annotation lists no videos of the subset {subset}"
        raise InputError(text, hint="it has: {known}", subset=subset, known=known)
    classes, pairs = _counted(listed, results, k)
    videos, first, among = (sum(getattr(one, name) for one in classes) for name in ("videos", "top1", "topk"))
    if not videos:
        text = "no video of the subset {subset} has a result"
        raise InputError(text, hint="is this the val.json of another data set?", subset=subset)
    low, high = wilson(first, videos)
    return Report(
        subset=subset,
        videos=videos,
        videos_listed=len(listed),
        videos_set_aside=len(listed) - videos,
        clips=clips,
        k=k,
        top1=first / videos,
        topk=among / videos,
        top1_low=low,
        top1_high=high,
        top1_all=first / len(listed),
        classes=classes,
        confusions=_confusions(pairs),
        worst=_worst(listed, results),
        published_top1=_published(model, annotation.labels, len(listed)),
    )


def _published(model: str, labels: tuple[str, ...], listed: int) -> float | None:
    """The guide's accuracy of that model where the data are HMDB51's: its classes, all videos of split 1's subset."""
    if set(labels) != set(HMDB51) or listed != SPLIT_1_VIDEOS:
        return None
    found = published_accuracy(model, HMDB51_SPLIT_1)
    return found.top1 if found else None


def _counted(
    listed: Iterable[Video], results: Mapping[str, Ranking], k: int
) -> tuple[tuple[ClassScore, ...], Counter[tuple[str, str]]]:
    """Of the videos with a result: right ones by class, and how often each class was taken for which."""
    videos, first, among = Counter[str](), Counter[str](), Counter[str]()
    pairs = Counter[tuple[str, str]]()
    for video in listed:
        if ranking := results.get(video.id):
            videos[video.label] += 1
            first[video.label] += ranking[0][0] == video.label
            among[video.label] += any(label == video.label for label, _ in ranking[:k])
            pairs[video.label, ranking[0][0]] += 1
    return tuple(ClassScore(label, n, first[label], among[label]) for label, n in sorted(videos.items())), pairs


def _confusions(pairs: Counter[tuple[str, str]]) -> tuple[Confusion, ...]:
    wrong = [Confusion(label, predicted, n) for (label, predicted), n in pairs.items() if label != predicted]
    return tuple(sorted(wrong, key=lambda pair: (-pair.videos, pair.label, pair.predicted)))


def _worst(listed: Iterable[Video], results: Mapping[str, Ranking]) -> tuple[VideoScore, ...]:
    scores = (video_score(video, ranking) for video in listed if (ranking := results.get(video.id)))
    wrong = (score for score in scores if score.predicted != score.label)
    return tuple(heapq.nsmallest(WORST, wrong, key=lambda score: (-score.score, score.video)))


def video_score(video: Video, ranking: Ranking) -> VideoScore:
    """One video's predicted label and what its own label scored, where the result lists it."""
    predicted, score = ranking[0]
    return VideoScore(video.id, video.label, predicted, score, dict(ranking).get(video.label))
