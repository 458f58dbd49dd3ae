"""From each video's best labels and the annotation to an accuracy, counted as the reference's eval_accuracy.py counts.

A video is right whose label is among its k best. The stage and the step `evaluate` call it.
"""

import heapq
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec

from backends.core.events import Skipped
from backends.core.files import read_file
from backends.core.messages import N_, InputError, Line, line
from backends.core.published import HMDB51_SPLIT_1, published_accuracy
from backends.core.values import ClassScore, Confusion, Report, VideoScore
from backends.data.annotation import LARGEST_FILE, Annotation, Video, read_json
from backends.data.datasets.hmdb51 import HMDB51

Ranking = tuple[tuple[str, float], ...]
"""(label, score), best first; of equal scores in the file's order, as the reference sorts them."""


_FORM = N_("give the val.json that the score step wrote")


class _ScoreEntry(msgspec.Struct, gc=False):
    label: str
    score: float


class _Document(msgspec.Struct):
    results: dict[str, Annotated[list[_ScoreEntry], msgspec.Meta(min_length=1)]]


class Val(msgspec.Struct, frozen=True):
    results: dict[str, Ranking]
    """By video id, in the file's order; none is empty."""
    set_aside: tuple[Skipped, ...] = ()


def val_pieces(results: Iterable[tuple[str, list[dict[str, Any]]]]) -> Iterator[bytes]:
    """The file's bytes, video by video, as `json.dumps` writes them."""
    yield b'{"results": {'
    comma = ""
    for video, entry in results:
        yield f"{comma}{json.dumps(video)}: {json.dumps(entry)}".encode("ascii")
        comma = ", "
    yield b"}}"


def read_val(path: Path, labels: Iterable[str]) -> Val:
    """Read val.json. InputError where it is not one; a video with a bad entry is skipped by name."""
    known = {name: name for name in labels}
    if (rankings := _well_formed(read_file(path, hint=_FORM, most=LARGEST_FILE), known)) is not None:
        return Val(rankings)
    document = read_json(path, _FORM, _table)
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, dict):
        hint = N_("it must hold results: for each video a list of labels and scores")
        raise InputError("{path}: no results", hint=hint, path=str(path))
    skipped: list[Skipped] = []
    for video, entry in results.items():
        results[video] = ranking = _ranking(entry, known)  # in place: a large file is never there twice
        if isinstance(ranking, Line):
            skipped.append(Skipped(video, ranking))
    for one in skipped:
        del results[one.item]
    return Val(results, tuple(skipped))


def _well_formed(data: bytes, known: Mapping[str, str]) -> dict[str, Ranking] | None:
    """The rankings where every entry is a good one, in half the time; None: something is to be said about the file."""
    best = itemgetter(1)
    try:
        results = msgspec.json.decode(data, type=_Document).results
        return {
            video: tuple(sorted([(known[one.label], one.score) for one in entry], key=best, reverse=True))
            for video, entry in results.items()
        }
    except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
        return None


def _table(items: list[tuple[str, Any]]) -> Any:
    """A label with its score as a pair, which takes a third of a table's memory."""
    if len(items) == 2 and (items[0][0], items[1][0]) == ("label", "score") and isinstance(items[0][1], str):
        return items[0][1], items[1][1]
    return dict(items)


def _ranking(entry: Any, known: dict[str, str]) -> Ranking | Line:
    """The labels, best first, or why the entry is none."""
    if not isinstance(entry, list) or not entry:
        return line("its result is empty")
    pairs = []
    for item in entry:
        label, score = item if isinstance(item, tuple) else (None, None)
        if isinstance(item, dict):
            label, score = item.get("label"), item.get("score")
        number = _number(score)
        if number is None:
            return line("a score of its result is not a number")
        if not isinstance(label, str) or label not in known:
            return line("the label {label} of its result is not in the annotation", label=ascii(label)[:80])
        pairs.append((known[label], number))
    return tuple(sorted(pairs, key=itemgetter(1), reverse=True))


def _number(score: Any) -> float | None:
    """A finite number; None where it is none, or beyond what a float holds."""
    if type(score) is float:
        return score if math.isfinite(score) else None
    try:
        return float(score) if type(score) is int else None
    except OverflowError:
        return None


Scored = tuple[Video, Ranking]
Z95 = 1.959963984540054
WORST = 200
"""Wrong videos that a report lists."""
MOST_CONFUSIONS = 20_000
"""Pairs of classes that a report lists: all of them up to 141 classes."""
SPLIT_1_VIDEOS = 1530
"""Videos of the validation subset of HMDB51's split 1."""


def is_among(label: str, ranking: Ranking, k: int) -> bool:
    """Whether a label is one of the k best."""
    return any(name == label for name, _ in ranking[:k])


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share; (0, 1) where there is nothing to count."""
    if not total:
        return 0.0, 1.0
    share, z2 = right / total, Z95 * Z95
    centre = share + z2 / (2 * total)
    spread = Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    below, above = (centre - spread) / (1 + z2 / total), (centre + spread) / (1 + z2 / total)
    return max(0.0, below), min(1.0, above)


def scored_videos(
    annotation: Annotation, results: Mapping[str, Ranking], subset: str
) -> tuple[tuple[Video, ...], list[Scored]]:
    """The listed videos of a subset, and those of them that have a result. InputError without either."""
    listed = annotation.subset(subset)
    if not listed:
        known = annotation.subsets
        raise InputError(
            "the annotation lists no videos of the subset {subset}", hint="it has: {known}", subset=subset, known=known
        )
    scored = [(video, ranking) for video in listed if (ranking := results.get(video.id))]
    if not scored:
        text = N_("no video of the subset {subset} has a result")
        raise InputError(text, hint="is this the val.json of another data set?", subset=subset)
    return listed, scored


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
    listed, scored = scored_videos(annotation, results, subset)
    classes = _classes(scored, k)
    videos, first, among = (sum(getattr(one, name) for one in classes) for name in ("videos", "top1", "topk"))
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
        confusions=_confusions(scored),
        worst=_worst(scored),
        published_top1=_published(model, annotation.labels, len(listed)),
    )


def _published(model: str, labels: tuple[str, ...], listed: int) -> float | None:
    """The guide's accuracy of that model where the data are HMDB51's: its classes, all videos of split 1's subset."""
    if set(labels) != set(HMDB51) or listed != SPLIT_1_VIDEOS:
        return None
    found = published_accuracy(model, HMDB51_SPLIT_1)
    return found.top1 if found else None


def _classes(scored: Iterable[Scored], k: int) -> tuple[ClassScore, ...]:
    """Right videos of those with a result, by class in the order of names."""
    videos, first, among = Counter[str](), Counter[str](), Counter[str]()
    for video, ranking in scored:
        videos[video.label] += 1
        first[video.label] += ranking[0][0] == video.label
        among[video.label] += is_among(video.label, ranking, k)
    return tuple(ClassScore(label, n, first[label], among[label]) for label, n in sorted(videos.items()))


def _confusions(scored: Iterable[Scored]) -> tuple[Confusion, ...]:
    pairs = Counter((video.label, ranking[0][0]) for video, ranking in scored)
    wrong = [Confusion(label, predicted, n) for (label, predicted), n in pairs.items() if label != predicted]
    return tuple(sorted(wrong, key=lambda pair: (-pair.videos, pair.label, pair.predicted))[:MOST_CONFUSIONS])


def _worst(scored: Iterable[Scored]) -> tuple[VideoScore, ...]:
    wrong = ((-ranking[0][1], video.id, video, ranking) for video, ranking in scored if ranking[0][0] != video.label)
    return tuple(
        VideoScore(video.id, video.label, *ranking[0], dict(ranking).get(video.label))
        for _, _, video, ranking in heapq.nsmallest(WORST, wrong)
    )
