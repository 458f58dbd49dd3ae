"""val.json as the reference has it: each video's best labels with scores; `score` writes it, `evaluate` reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec

from backends.core.errors import InputError
from backends.core.messages import N_, Line, line
from backends.data.annotation import Skipped, read_bytes, read_json

Ranking = tuple[tuple[str, float], ...]
"""(label, score), best first; of equal scores in the file's order, as the reference sorts them."""


_FORM = N_("give the val.json that the score step wrote")


class _Entry(msgspec.Struct, gc=False):
    label: str
    score: float


class _Document(msgspec.Struct):
    results: dict[str, Annotated[list[_Entry], msgspec.Meta(min_length=1)]]


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
    if (rankings := _well_formed(read_bytes(path, _FORM), known)) is not None:
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
