"""Rows read clip by clip are those that reading the file whole gives."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest

from backends.core.messages import InputError
from backends.data.score_rows import RowsWriter, record_type
from backends.data.score_rows_reader import RowsCheck, RowsReader, check_rows
from tests.whole_rows import load_rows

CLASSES = 3


def _write(path: Path, numbers: list[int]) -> None:
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    for number in numbers:
        writer.append([number], np.full((1, CLASSES), number, np.float32))
    writer.sync()
    writer.close()


def test_clips_are_found_in_any_order_and_missing_ones_told(tmp_path: Path) -> None:
    """Rows come as devices finish; a video gets its own in clip order."""
    _write(tmp_path / "rows.bin", [5, 0, 3, 1, 9000])
    with RowsReader(tmp_path / "rows.bin") as rows:
        found = [rows.scores(first, clips) for first, clips in ((0, 2), (2, 2), (5, 1), (6, 2), (9000, 1), (9001, 1))]
        assert (3, 5) == (rows.classes, len(rows))
    assert [0, 1, 0, 2, 0, 1] == [lacking for _, lacking in found]
    assert [[0, 1], [3], [5], [], [9000], []] == [logits[:, 0].tolist() for logits, _ in found]
    assert all(logits.dtype == np.float32 and logits.shape[1] == CLASSES for logits, _ in found)


def test_it_gives_what_reading_whole_gives(tmp_path: Path) -> None:
    """Runs of records that stand side by side, and single ones, to the byte; of two rows of one clip the first."""
    order = np.random.default_rng(0).permutation(500).tolist()
    _write(tmp_path / "rows.bin", order)
    _write(tmp_path / "twice.bin", [7])
    record = 8 + 4 + 4 * CLASSES
    with open(tmp_path / "rows.bin", "ab") as file:
        file.write((tmp_path / "twice.bin").read_bytes()[-record:])
    whole = load_rows(tmp_path / "rows.bin")
    records = np.zeros(500, record_type(CLASSES))
    records["number"], records["logits"] = whole.numbers, whole.logits
    view = records.view(np.uint8).reshape(500, -1)
    records["crc"] = [zlib.crc32(np.delete(row, range(8, 12)).tobytes()) for row in view]
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in view)
    expected = RowsCheck(500, 1, hashlib.sha256(digests).hexdigest())
    assert expected == check_rows(tmp_path / "rows.bin")
    with RowsReader(tmp_path / "rows.bin") as rows:
        assert whole.logits.tobytes() == rows.scores(0, 500)[0].tobytes()
        assert len(whole.numbers) == len(rows) == 500


def test_an_unfinished_file_is_refused(tmp_path: Path) -> None:
    """Missing and damaged files end in one line each; a file of no rows is none of these."""
    with pytest.raises(InputError, match="no rows of scores"):
        RowsReader(tmp_path / "rows.bin")
    _write(tmp_path / "rows.bin", [])
    with RowsReader(tmp_path / "rows.bin") as rows:
        assert (0, 2) == (len(rows), rows.scores(0, 2)[1])
    with open(tmp_path / "rows.bin", "ab") as file:
        file.write(b"torn")
    with pytest.raises(InputError, match="cut off or damaged"):
        RowsReader(tmp_path / "rows.bin")
