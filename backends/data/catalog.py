"""A run's catalog in SQLite: videos with their predictions, classes and skipped items, for lists of any length.

`backends.workspace.browser` writes it from what the stages made and the console pages through it. A query is arranged
once, into a temporary table of row numbers, so that each of its pages is read by number whatever the order.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple, replace

from backends.core.catalog_pages import Change, ClassEntry, Query, VideoEntry
from backends.core.codec import dumps, loads
from backends.core.events import ItemSetAside
from backends.core.messages import N_, InputError, Line

FORMAT = 1
"""Of the tables below; a file of another format is written again."""
_MEMORY = itertools.count()
ARRANGED = 4
"""Arrangements that a connection keeps."""
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE reasons (number INTEGER PRIMARY KEY, line TEXT NOT NULL);
CREATE TABLE videos (number INTEGER PRIMARY KEY, video TEXT NOT NULL, label TEXT NOT NULL, frames INTEGER,
    clips INTEGER NOT NULL, before INTEGER, first INTEGER NOT NULL, last INTEGER NOT NULL, predicted TEXT, score REAL,
    stage TEXT NOT NULL, reason INTEGER NOT NULL);
CREATE TABLE skipped (number INTEGER PRIMARY KEY, stage TEXT NOT NULL, item TEXT NOT NULL, reason INTEGER NOT NULL);
"""
_FINISH = """
CREATE INDEX videos_by_name ON videos (video);
CREATE INDEX videos_by_label ON videos (label);
CREATE TABLE classes (number INTEGER PRIMARY KEY, label TEXT NOT NULL, videos INTEGER, frames INTEGER, clips INTEGER,
    skipped INTEGER, judged INTEGER, right INTEGER);
INSERT INTO classes (label, videos, frames, clips, skipped, judged, right)
    SELECT label, count(*), sum(frames), sum(clips), sum(stage != ''), count(predicted),
        ifnull(sum(predicted = label), 0)
    FROM videos GROUP BY label ORDER BY label = '', label;
"""


class _Table(Struct, frozen=True):
    """One table as queries see it."""

    columns: str
    make: Callable[..., Any]
    """An entry of a row of those columns."""
    name: str
    """The column that an entry is found by."""
    text: str
    """What is filtered by."""
    orders: Mapping[str, str]
    """By the names of `Query.order`."""
    has_reasons: bool = False


def _reasoned(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *row: make(*row[:-1], loads(Line, row[-1]))


_OUTCOME = """CASE WHEN ifnull(s.text, '') != '' THEN 'a' || s.text
    WHEN v.predicted != v.label THEN 'b' || v.predicted ELSE 'c' || v.predicted END"""
"""Those with a reason come first, then the wrong ones."""
_TABLES = {
    "videos": _Table(
        "v.video, v.label, v.frames, v.clips, v.before, v.first, v.last, v.predicted, v.score, v.stage",
        _reasoned(VideoEntry),
        "video",
        "v.video || ' ' || v.label || ' ' || ifnull(v.predicted, '') || ' ' || ifnull(s.text, '')",
        {
            **{name: f"v.{name}" for name in ("video", "label", "frames", "clips", "predicted", "score")},
            "outcome": _OUTCOME,
        },
        has_reasons=True,
    ),
    "classes": _Table(
        "v.label, v.videos, v.frames, v.clips, v.skipped, v.judged, v.right",
        ClassEntry,
        "label",
        "v.label",
        {
            **{name: f"v.{name}" for name in ("label", "videos", "frames", "clips", "skipped")},
            "accuracy": "v.right * 1.0 / nullif(v.judged, 0)",
        },
    ),
    "skipped": _Table(
        "v.stage, v.item",
        _reasoned(ItemSetAside),
        "item",
        "v.item || ' ' || v.stage || ' ' || ifnull(s.text, '')",
        {"item": "v.item", "stage": "v.stage", "reason": "s.text"},
        has_reasons=True,
    ),
    "changes": _Table(
        "v.video, v.label, v.was, v.now, v.kind",
        Change,
        "video",
        "v.kind || ' ' || v.video || ' ' || v.label || ' ' || ifnull(v.was, '') || ' ' || ifnull(v.now, '')",
        {"video": "v.video", "label": "v.label", "before": "v.was", "after": "v.now"},
    ),
}
_KIND = """CASE WHEN was IS NULL THEN 'gained' WHEN now IS NULL THEN 'lost'
    WHEN (was = label) = (now = label) THEN 'other' WHEN now = label THEN 'fixed' ELSE 'broken' END"""
_CHANGES = f"""
DROP TABLE IF EXISTS temp.changes;
CREATE TEMP TABLE changes (number INTEGER PRIMARY KEY, video, label, was, now, kind);
INSERT INTO changes SELECT NULL, video, label, was, now, {_KIND} AS kind FROM (
    SELECT v.number AS place, v.video, v.label, o.predicted AS was, v.predicted AS now FROM main.videos v
        LEFT JOIN other.videos o ON o.video = v.video WHERE v.predicted IS NOT o.predicted
    UNION ALL SELECT o.number, o.video, o.label, o.predicted, NULL FROM other.videos o
        WHERE o.predicted IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.videos v WHERE v.video = o.video)
) ORDER BY instr('broken fixed lost gained other', kind), place;
"""  # noqa: S608 - constants


def write_catalog(
    db: sqlite3.Connection, key: str, videos: Iterable[VideoEntry], skipped: Iterable[ItemSetAside]
) -> None:
    """Fill an empty database; `key` says what it was made from."""
    db.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA} BEGIN")
    reasons = _Reasons()
    rows: Iterable[tuple[Any, ...]] = ((*astuple(one)[:-1], reasons.number(one.reason)) for one in videos)
    db.executemany("INSERT INTO videos VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    rows = ((one.stage, _storable(one.item), reasons.number(one.reason)) for one in skipped)
    db.executemany("INSERT INTO skipped VALUES (NULL, ?, ?, ?)", rows)
    db.executemany("INSERT INTO reasons VALUES (?, ?)", enumerate(reasons.lines))
    db.execute("INSERT INTO meta VALUES ('key', ?)", (f"{FORMAT} {key}",))
    db.executescript(_FINISH)  # which commits first


def _storable(text: str) -> str:
    """A name of any bytes as SQLite takes it."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Reasons:
    """Reasons by number, each once; 0 is none."""

    def __init__(self) -> None:
        self.lines = [dumps(Line(""))]
        self._numbers = {self.lines[0]: 0}

    def number(self, reason: Line) -> int:
        if not reason.template:
            return 0
        text = dumps(reason)
        number = self._numbers.setdefault(text, len(self.lines))
        if number == len(self.lines):
            self.lines.append(text)
        return number


def memory_catalog(
    videos: Iterable[VideoEntry],
    skipped: Iterable[ItemSetAside],
    earlier: Callable[[str], SqlCatalog] | None = None,
) -> SqlCatalog:
    """A catalog that no file holds."""
    where = f"file:catalog-{os.getpid()}-{next(_MEMORY)}?mode=memory&cache=shared"
    db = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False)
    write_catalog(db, "", videos, skipped)
    return SqlCatalog(db, where, earlier)


def key_of(path: Path) -> str:
    """What a catalog was made from; empty where there is none that can be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(path)) as db:
        row = db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        made, _, key = str(row[0] if row else "").partition(" ")
        return key if made == str(FORMAT) else ""
    return ""


class SqlCatalog:
    """One run's videos, classes, skipped items and predictions. Calls may take half a second; threads may share it."""

    def __init__(self, db: sqlite3.Connection, where: str, earlier: Callable[[str], SqlCatalog] | None = None) -> None:
        """`where` is what another connection may attach it by, `earlier` opens the catalog of another run."""
        self.where = where
        self.run_id = ""
        """The run that it is of; empty where nobody said."""
        self._db, self._earlier = db, earlier
        self._lock = threading.Lock()
        self._tables: dict[Query, tuple[str, int]] = {}
        self._arranging: Query | None = None
        self._beginning = threading.Lock()
        """Held while `_arranging` changes, so that `give_up` ends nothing else."""
        self._numbers = itertools.count(1)
        db.execute("PRAGMA temp_store=MEMORY")
        self.say(str)

    @classmethod
    def open(cls, path: Path, earlier: Callable[[str], SqlCatalog] | None = None) -> SqlCatalog:
        """The catalog in a file, which is not written to."""
        return cls(_opened(path), f"{path.resolve().as_uri()}?mode=ro", earlier)

    def say(self, words: Callable[[Line], str]) -> None:
        """Word reasons in a language: they are filtered and ordered by as they are shown."""
        with self._asked():
            rows = self._db.execute("SELECT number, line FROM reasons WHERE number").fetchall()
            self._db.executescript(
                "DROP TABLE IF EXISTS temp.said; CREATE TEMP TABLE said (number INTEGER PRIMARY KEY, text)"
            )
            self._db.executemany("INSERT INTO said VALUES (?, ?)", ((n, words(loads(Line, line))) for n, line in rows))
            self._forget(0)

    def count(self, query: Query) -> int:
        with self._asked():
            return self._arranged(query)[1]

    def page(self, query: Query, offset: int, limit: int) -> tuple[Any, ...]:
        """Entries of the query's table from `offset` on: ClassEntry, VideoEntry, ItemSetAside or Change."""
        with self._asked():
            table, _ = self._arranged(query)
            joined = f"JOIN temp.{table} a ON a.number = v.number WHERE a.row > ? AND a.row <= ? ORDER BY a.row"
            rows = self._db.execute(f"{_select(query.table)} {joined}", (offset, offset + limit)).fetchall()
        return tuple(_TABLES[query.table].make(*row) for row in rows)

    def place(self, query: Query, name: str) -> int | None:
        """Where in the query's order the entry of that name (label, video, item) stands; None where it does not."""
        with self._asked():
            table, _ = self._arranged(query)
            found = f"{query.table} v JOIN temp.{table} a ON a.number = v.number"
            look = f"SELECT a.row FROM {found} WHERE v.{_TABLES[query.table].name} = ?"  # noqa: S608 - constants
            row = self._db.execute(look, (name,)).fetchone()
        return row[0] - 1 if row else None

    def give_up(self, query: Query) -> None:
        """End what a thread waits for, where it is this query with whatever text and order: it gets an InputError."""
        with self._beginning:
            going = self._arranging
            if going is not None and query == replace(going, text="", order="", is_descending=False):
                self._db.interrupt()

    def video(self, name: str) -> VideoEntry | None:
        with self._asked():
            row = self._db.execute(f"{_select('videos')} WHERE v.video = ?", (name,)).fetchone()
        return _TABLES["videos"].make(*row) if row else None

    def compare(self, run_id: str) -> Mapping[str, int]:
        """Fill the table `changes` with what differs from an earlier run; how many videos, by kind.

        InputError where that run, or this one, has no predictions any more.
        """
        if self._earlier is None:
            raise InputError("unknown run {run}", hint="`r3d-tui runs` lists them", run=run_id)
        with contextlib.closing(self._earlier(run_id)) as other, self._asked():
            self._forget(0)
            self._db.execute("ATTACH ? AS other", (other.where,))
            try:
                for side in ("main", "other"):
                    if not self._db.execute(f"SELECT 1 FROM {side}.videos WHERE predicted IS NOT NULL").fetchone():  # noqa: S608
                        raise InputError("the predictions of both runs are needed", hint="evaluate again")
                self._db.executescript(_CHANGES)
            finally:
                self._db.execute("DETACH other")
            return dict(self._db.execute("SELECT kind, count(*) FROM changes GROUP BY kind").fetchall())

    def close(self) -> None:
        self._db.interrupt()  # of a question that another thread waits for
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """One question at a time; what SQLite cannot read is an error of ours."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                hint = N_("remove the file: it is made again")
                path = self.where.partition("?")[0].removeprefix("file://")
                raise InputError("{path}: {reason}", hint=hint, path=path, reason=str(error)) from None

    def _arranged(self, query: Query) -> tuple[str, int]:
        """The table that holds the query's rows in order, and how many they are."""
        if found := self._tables.get(query):
            return found
        self._forget(ARRANGED - 1)
        of, table = _TABLES[query.table], f"arranged_{next(self._numbers)}"
        said = " LEFT JOIN said s ON s.number = v.reason" if of.has_reasons else ""
        tests, values = _tests(query, of.text)
        rows = f"SELECT v.number FROM {query.table} v{said}{tests} ORDER BY {_order(query)}v.number"  # noqa: S608
        self._db.execute(f"CREATE TEMP TABLE {table} (row INTEGER PRIMARY KEY, number INTEGER)")
        self._begin(query)
        try:
            count = self._db.execute(f"INSERT INTO temp.{table} (number) {rows}", values).rowcount
        except sqlite3.Error:
            self._begin(None)
            self._db.execute(f"DROP TABLE temp.{table}")
            raise
        self._begin(None)
        self._tables[query] = table, count
        return table, count

    def _begin(self, query: Query | None) -> None:
        with self._beginning:
            self._arranging = query

    def _forget(self, most: int) -> None:
        while len(self._tables) > most:
            table, _ = self._tables.pop(next(iter(self._tables)))
            self._db.execute(f"DROP TABLE temp.{table}")


def _opened(path: Path) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=5, check_same_thread=False)


def _tests(query: Query, text: str) -> tuple[str, list[str]]:
    """The WHERE of a query and its values."""
    words = query.text.split()
    exact = query.text != query.text.lower()
    tests = [f"instr({text}, ?)" if exact else f"({text}) LIKE ? ESCAPE '\\'" for _ in words]
    values = words if exact else [f"%{_escaped(word)}%" for word in words]
    for column, wanted in (("v.label", query.label), ("v.predicted", query.predicted)):
        if wanted is not None:
            tests.append(f"{column} = ?")
            values.append(wanted)
    if query.is_wrong:
        tests.append("v.predicted != v.label")
    return (f" WHERE {' AND '.join(tests)}" if tests else ""), values


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _order(query: Query) -> str:
    column = _TABLES[query.table].orders.get(query.order)
    if column is None:
        return ""
    return f"{column} IS NULL, {column}{' DESC' if query.is_descending else ''}, "


def _select(table: str) -> str:
    of = _TABLES[table]
    line, reasons = (", r.line", " LEFT JOIN reasons r ON r.number = v.reason") if of.has_reasons else ("", "")
    return f"SELECT {of.columns}{line} FROM {table} v{reasons}"  # noqa: S608 - constants
