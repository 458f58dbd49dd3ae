"""The catalog: pages, filters and orders of a run's videos, classes, skipped items, and what changed since another."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backends.core.catalog_pages import Change, ClassEntry, Query, VideoEntry
from backends.core.events import ItemSetAside
from backends.core.messages import InputError, Line, line
from backends.data.catalog import _TABLES, SqlCatalog, key_of, memory_catalog, write_catalog

VIDEOS = (
    VideoEntry("b_2", "wave", 40, 2, 3, 1, 41, "wave", 0.9),
    VideoEntry("a%1", "wave", 20, 1, 1, 1, 21, "clap", 0.4),
    VideoEntry("C3", "clap", None, stage="preprocess", reason=line("no frames in {folder}", folder="x")),
    VideoEntry("d4", "clap", 60, 4, 4, 1, 61, "clap", None),
    VideoEntry("e5", ""),
)
SKIPPED = tuple(ItemSetAside(f"s{n % 2}", f"item {n}", line("reason {n}", n=n % 3)) for n in range(5))


@pytest.fixture
def catalog() -> SqlCatalog:
    """Five videos of two classes and of none, and five skipped items."""
    return memory_catalog(VIDEOS, SKIPPED)


def _names(catalog: SqlCatalog, query: Query) -> list[str]:
    return [getattr(one, _TABLES[query.table].name) for one in catalog.page(query, 0, 99)]


def test_entries_come_back_as_they_were(catalog: SqlCatalog) -> None:
    """Every field, in the order of writing, page by page."""
    assert VIDEOS == catalog.page(Query("videos"), 0, 99)
    assert SKIPPED == catalog.page(Query("skipped"), 0, 99)
    assert VIDEOS[1:3] == catalog.page(Query("videos"), 1, 2)
    assert () == catalog.page(Query("videos"), 5, 2)
    assert 5 == catalog.count(Query("videos"))


def test_classes_are_counted(catalog: SqlCatalog) -> None:
    """By name, those of no known class last."""
    expected = (
        ClassEntry("clap", 2, 60, 4, 1, 1, 1),
        ClassEntry("wave", 2, 60, 3, 0, 2, 1),
        ClassEntry("", 1),
    )
    assert expected == catalog.page(Query("classes"), 0, 9)
    assert ["wave", "clap", ""] == _names(catalog, Query("classes", order="accuracy"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["b_2", "a%1", "C3", "d4", "e5"]),
        ("c", ["a%1", "C3", "d4"]),
        ("C", ["C3"]),
        ("%", ["a%1"]),
        ("_", ["b_2"]),
        ("clap 1", ["a%1"]),
        ("FRAMES", []),
        ("frames", ["C3"]),
        ("\\", []),
    ],
)
def test_a_filter_holds_every_word(catalog: SqlCatalog, text: str, expected: list[str]) -> None:
    """In name, prediction or reason; capitals count only where there are some; no sign is a pattern."""
    assert expected == _names(catalog, Query("videos", text))


@pytest.mark.parametrize(
    ("order", "down", "expected"),
    [
        ("video", False, ["C3", "a%1", "b_2", "d4", "e5"]),
        ("video", True, ["e5", "d4", "b_2", "a%1", "C3"]),
        ("frames", True, ["d4", "b_2", "a%1", "C3", "e5"]),
        ("score", False, ["a%1", "b_2", "C3", "d4", "e5"]),
        ("outcome", False, ["C3", "a%1", "d4", "b_2", "e5"]),
    ],
)
def test_an_order_puts_what_is_not_known_last(catalog: SqlCatalog, order: str, down: bool, expected: list[str]) -> None:
    """Whichever way; equal ones stay in the order of writing."""
    assert expected == _names(catalog, Query("videos", order=order, is_descending=down))


def test_one_class_is_a_list_of_its_own(catalog: SqlCatalog) -> None:
    """Filtered and ordered like any other, the videos of no class too."""
    assert ["b_2", "a%1"] == _names(catalog, Query("videos", label="wave"))
    assert ["e5"] == _names(catalog, Query("videos", label=""))
    query = Query("videos", order="video", label="wave")
    assert [0, 1, None] == [catalog.place(query, name) for name in ("a%1", "b_2", "d4")]


def test_reasons_are_found_in_the_language_that_they_are_shown_in(catalog: SqlCatalog) -> None:
    """Once they are worded again, filter and order go by those words."""
    catalog.say(lambda reason: f"原因 {9 - int(reason.facts['n'])}" if "n" in reason.facts else "没有帧")  # type: ignore[arg-type]
    assert ["C3"] == _names(catalog, Query("videos", "没有"))
    assert ["item 2", "item 1", "item 4", "item 0", "item 3"] == _names(catalog, Query("skipped", order="reason"))


def test_what_changed_between_two_runs() -> None:
    """What broke first; a score that moved is no change; a video that one run lacks is lost or gained."""

    def of(**best: str | None) -> list[VideoEntry]:
        return [VideoEntry(name, "wave", predicted=label, score=0.5) for name, label in best.items()]

    old = of(a="wave", b="clap", c="clap", d="wave", e=None, f="wave", g=None)
    new = of(a="clap", b="wave", c="run", d="wave", e="wave", g=None)
    catalog = memory_catalog(new, (), lambda _: memory_catalog(old, ()))
    assert dict.fromkeys(("broken", "fixed", "lost", "gained", "other"), 1) == catalog.compare("old")
    assert (
        Change("a", "wave", "wave", "clap", "broken"),
        Change("b", "wave", "clap", "wave", "fixed"),
        Change("f", "wave", "wave", None, "lost"),
        Change("e", "wave", None, "wave", "gained"),
        Change("c", "wave", "clap", "run", "other"),
    ) == catalog.page(Query("changes"), 0, 9)
    assert ["e"] == _names(catalog, Query("changes", "gained"))
    catalog.compare("old")
    assert 5 == catalog.count(Query("changes"))
    with pytest.raises(InputError, match="predictions of both runs"):
        memory_catalog(new, (), lambda _: memory_catalog((), ())).compare("gone")


def test_any_name_can_be_skipped() -> None:
    """Names of bytes that are no text among them."""
    catalog = memory_catalog((), [ItemSetAside("frames", "\udcd6 \0 'x", Line("{"))])
    assert "\\udcd6 \0 'x" == catalog.page(Query("skipped"), 0, 1)[0].item


LABELS = st.sampled_from(["a", "B", "ä", "c d", ""])
ENTRIES = st.builds(
    VideoEntry,
    video=st.text("abAB_%é", min_size=1, max_size=4),
    label=LABELS,
    frames=st.none() | st.integers(1, 9),
    clips=st.integers(0, 5),
    predicted=st.none() | LABELS,
    score=st.none() | st.floats(0, 1),
)


@settings(max_examples=60)
@given(
    st.lists(ENTRIES, max_size=30, unique_by=lambda one: one.video),
    st.sampled_from(["", *_TABLES["videos"].orders]),
    st.booleans(),
    st.text("abAB_% ", max_size=3),
)
def test_pages_are_the_whole_cut_in_pieces(videos: list[Any], order: str, down: bool, text: str) -> None:
    """Whatever the order and the filter: each entry once, at the place that `place` names."""
    catalog = memory_catalog(videos, ())
    query = Query("videos", text, order, down)
    count = catalog.count(query)
    whole = catalog.page(query, 0, count)
    assert whole == tuple(one for at in range(0, count, 4) for one in catalog.page(query, at, 4))
    assert list(range(count)) == [catalog.place(query, one.video) for one in whole]
    words = text.split()
    fold = (lambda name: name) if text != text.lower() else str.lower
    fits = [
        one for one in videos if all(fold(w) in fold(f"{one.video} {one.label} {one.predicted or ''} ") for w in words)
    ]
    assert sorted(one.video for one in fits) == sorted(one.video for one in whole)


def test_a_catalog_that_is_damaged_later_ends_in_a_line(tmp_path: Path) -> None:
    """Pages that SQLite cannot read are an error of ours, with the file and what to do."""
    path = tmp_path / "catalog.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        write_catalog(db, "key", (VideoEntry(f"v{n}", "wave") for n in range(9000)), ())
    assert "key" == key_of(path)
    catalog = SqlCatalog.open(path)
    data = path.read_bytes()
    path.write_bytes(data[: 8 << 10] + bytes(len(data) - (8 << 10)))
    with pytest.raises(InputError, match=r"catalog\.db.*made again"):
        catalog.page(Query("videos", order="video"), 0, 9)


def test_an_outdated_question_is_given_up() -> None:
    """Whoever waits for it gets an error at once; a question about other entries is let alone, and all can be asked
    again.
    """
    many = memory_catalog((replace(VIDEOS[0], video=f"v_{n}") for n in range(100_000)), ())
    outdated, ends = Query("videos", "v_9", order="video"), list[str]()

    def wait() -> None:
        try:
            ends.append(str(many.count(outdated)))
        except InputError as error:
            ends.append(str(error.line.facts["reason"]))

    for given_up, expected in ((Query("videos", is_wrong=True), "11111"), (Query("videos"), "interrupted")):
        waiting = threading.Thread(target=wait)
        waiting.start()
        while waiting.is_alive():
            many.give_up(given_up)
        assert expected == ends.pop()
        outdated = replace(outdated, is_descending=True)
    assert 11_111 == many.count(outdated)
    assert 100_000 == many.count(Query("videos"))
