"""What counts, and from when on."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from backends.contract.errors import StageError
from backends.infer.layout import Span
from backends.infer.ledger import Ledger
from backends.stores.rows import RowsWriter, read_rows

SPANS = [Span(0, 2), Span(2, 3), Span(5, 0)]


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


def test_what_an_earlier_attempt_made_durable_counts_from_the_start(tmp_path: Path) -> None:
    """Taken up, the clips and the videos of the file count, and none of them is asked for again."""
    for clips in ((0, 1, 2), (3, 4)):
        ledger = Ledger(tmp_path / "rows.bin", SPANS, "null")
        ledger.open(2)
        ledger.keep("cpu:0", clips, scores(len(clips)))
        ledger.flush()
        assert (clips[0], clips[-1] + 1) == (ledger.taken_up, ledger.clips)
        assert [True, False] == [ledger.has(clips[-1]), ledger.has(clips[-1] + 1)]
        ledger.close()
    assert 3 == ledger.videos_done
    assert list(range(5)) == read_rows(tmp_path / "rows.bin")[0].tolist()


def test_rows_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    """One infinite value makes a row not finite."""
    ledger = Ledger(tmp_path / "rows.bin", SPANS, "null")
    ledger.open(2)
    logits = scores(3)
    logits[1, 0] = np.inf
    ledger.keep("cpu:0", (0, 1, 2), logits)
    ledger.flush()
    assert 1 == ledger.not_finite
    ledger.close()
