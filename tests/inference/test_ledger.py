"""What counts, and from when on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.core.messages import StageError
from backends.data.score_rows import RowsWriter
from backends.inference.batch_layout import Spans
from backends.inference.result_log import Ledger
from tests.whole_rows import read_rows

SPANS = Spans([(0, 2), (2, 3), (5, 0)])


def scores(clips: int) -> np.ndarray:
    """Logits of so many clips, two classes."""
    return np.ones((clips, 2), np.float32)


def test_a_row_counts_only_once_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is busy nothing counts, nobody waits, and rows written meanwhile count with the next sync."""
    free, begun = threading.Event(), threading.Event()

    def slow(writer: RowsWriter) -> None:
        begun.set()
        free.wait(10)

    monkeypatch.setattr(RowsWriter, "sync", slow)
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null", 0.0)
    ledger.open(2)
    ledger.keep("cpu:0", (0, 1), scores(2))
    ledger.turn(1.0)
    begun.wait(10)
    ledger.keep("cpu:1", (2, 3, 4), scores(3))
    ledger.turn(2.0)
    assert (0, 1) == (ledger.clips, ledger.videos_done)
    free.set()
    ledger.flush()
    assert (5, 3, {"cpu:0": 2, "cpu:1": 3}) == (ledger.clips, ledger.videos_done, dict(ledger.durable))
    ledger.close()


def test_syncs_are_not_more_frequent_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two syncs at least the stated time passes; the last flush syncs what is left."""
    syncs: list[int] = []
    monkeypatch.setattr(RowsWriter, "sync", lambda writer: syncs.append(len(writer)))
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null", 0.25)
    ledger.open(2)
    for n in range(5):
        ledger.keep("cpu:0", (n,), scores(1))
        ledger.turn(0.1 * n)
        if ledger._future is not None:
            ledger._future.result()
    ledger.flush()
    ledger.close()
    assert [1, 4, 5] == syncs


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the sync comes out of the next turn or flush, and nothing has counted."""

    def full(writer: RowsWriter) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RowsWriter, "sync", full)
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null")
    ledger.open(2)
    ledger.keep("cpu:0", (0,), scores(1))
    with pytest.raises(StageError, match=r"rows\.bin: No space left on device \(make room there"):
        ledger.flush()
    assert 0 == ledger.clips
    ledger.close()


def test_rows_are_written_while_a_sync_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a slow sync is the clips' numbers; the rows themselves are in the file by then."""
    free, begun = threading.Event(), threading.Event()

    def slow(writer: RowsWriter) -> None:
        begun.set()
        free.wait(10)

    monkeypatch.setattr(RowsWriter, "sync", slow)
    monkeypatch.setattr("backends.inference.result_log.TOGETHER", 8)
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null", 0.0)
    ledger.open(2)
    ledger.keep("cpu:0", (0, 1), scores(2))
    ledger.turn(1.0)
    begun.wait(10)
    ledger.keep("cpu:0", (2, 3), scores(2))
    ledger.catch_up(10)
    assert [0, 1, 2, 3] == read_rows(tmp_path / "rows.bin")[0].tolist()
    assert (0, False) == (ledger.clips, ledger.behind)
    free.set()
    ledger.flush()
    assert 4 == ledger.clips
    ledger.close()


def test_it_says_when_too_much_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind as soon as a disk that takes nothing has left more than the stated bytes waiting, until it takes them."""
    free, append = threading.Event(), RowsWriter.append

    def stuck(writer: RowsWriter, *given: Any) -> int:
        free.wait(10)
        return append(writer, *given)

    monkeypatch.setattr(RowsWriter, "append", stuck)
    monkeypatch.setattr("backends.inference.result_log.TOGETHER", 8)
    monkeypatch.setattr("backends.inference.result_log.BEHIND", 16)
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null", 0.0)
    ledger.open(2)
    ledger.keep("cpu:0", (0, 1), scores(2))
    found = [ledger.behind]
    ledger.keep("cpu:0", (2,), scores(1))
    ledger.catch_up(0.01)
    found.append(ledger.behind)
    free.set()
    ledger.flush()
    assert ([False, True, False], 3) == ([*found, ledger.behind], ledger.clips)
    ledger.close()


def test_nothing_counts_behind_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torn record ends the file when it is taken up: what would stand behind it is not written, and not counted."""
    append, full = RowsWriter.append, [True]

    def tear(writer: RowsWriter, *given: Any) -> int:
        if full.pop() if full else False:
            raise OSError(28, "No space left on device")
        return append(writer, *given)

    monkeypatch.setattr(RowsWriter, "append", tear)
    monkeypatch.setattr("backends.inference.result_log.TOGETHER", 8)
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null")
    ledger.open(2)
    ledger.keep("cpu:0", (0,), scores(1))
    ledger.keep("cpu:0", (1,), scores(1))
    with pytest.raises(StageError):
        ledger.flush()
    ledger.keep("cpu:0", (2,), scores(1))
    ledger.flush()
    assert 0 == ledger.clips
    ledger.close()


def test_clips_of_numbers_beyond_a_column_are_counted(tmp_path: Path) -> None:
    """The last video's clips count where the first clips of all videos fit a byte and its own last ones do not."""
    ledger = Ledger(tmp_path / "rows.bin", Spans([(0, 250), (250, 10)]), "null")
    ledger.open(2)
    ledger.keep("cpu:0", tuple(range(250, 260)), scores(10))
    ledger.flush()
    assert 1 == ledger.videos_done
    ledger.keep("cpu:0", tuple(range(250)), scores(250))
    ledger.flush()
    assert (2, 260) == (ledger.videos_done, ledger.clips)
    ledger.close()


def test_what_an_earlier_attempt_made_durable_counts_from_the_start(tmp_path: Path) -> None:
    """Taken up, the clips and the videos of the file count, and none of them is asked for again."""
    for clips in ((0, 1, 2), (3, 4)):
        ledger = Ledger(tmp_path / "rows.bin", SPANS, "null")
        ledger.open(2)
        ledger.keep("cpu:0", clips, scores(len(clips)))
        ledger.flush()
        assert (clips[0], clips[-1] + 1) == (ledger.resumed, ledger.clips)
        assert [True, False] == [ledger.has(clips[-1]), ledger.has(clips[-1] + 1)]
        ledger.close()
    assert 3 == ledger.videos_done
    assert list(range(5)) == read_rows(tmp_path / "rows.bin")[0].tolist()
