"""Rows of scores: taken up after any cut, refused where foreign, no clip counted twice."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.core.messages import InputError
from backends.data.score_rows import Header, RowsWriter, read_header
from tests.whole_rows import load_rows, read_rows

CLASSES = 5
RECORD = 12 + 4 * CLASSES


def scores(numbers: list[int]) -> np.ndarray:
    """Logits that tell which clip they belong to."""
    return np.array([[n + c / 8 for c in range(CLASSES)] for n in numbers], np.float32).reshape(-1, CLASSES)


def write(path: Path, numbers: list[int]) -> None:
    """A file with those rows."""
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    writer.append(numbers, scores(numbers))
    writer.sync()
    writer.close()


def test_rows_come_back_sorted_by_clip_number(tmp_path: Path) -> None:
    """What was appended in any order is read in the order of clip numbers, to the bit."""
    write(tmp_path / "rows.bin", [7, 2, 30_000])
    numbers, logits = read_rows(tmp_path / "rows.bin")
    assert [2, 7, 30_000] == numbers.tolist()
    assert (np.int64, np.float32) == (numbers.dtype, logits.dtype)
    assert scores([2, 7, 30_000]).tobytes() == logits.tobytes()


def test_a_file_without_rows_reads_as_none(tmp_path: Path) -> None:
    """A file that was only begun has no rows and the right number of classes."""
    write(tmp_path / "rows.bin", [])
    numbers, logits = read_rows(tmp_path / "rows.bin")
    assert ((0,), (0, CLASSES)) == (numbers.shape, logits.shape)


@given(cut=st.integers(1, 6 * RECORD - 1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_anywhere_costs_only_the_rows_behind_it(tmp_path: Path, cut: int) -> None:
    """Wherever a kill cuts the file, the whole records before the cut are kept and the rest is missing."""
    path = tmp_path / "rows.bin"
    path.unlink(missing_ok=True)
    write(path, [0, 1, 2, 3, 4, 5])
    os.truncate(path, path.stat().st_size - cut)
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    kept = 6 - -(-cut // RECORD)
    assert list(range(kept, 8)) == [n for n in range(8) if n not in writer]
    writer.append(list(range(kept, 6)), scores(list(range(kept, 6))))
    writer.close()
    assert scores([0, 1, 2, 3, 4, 5]).tobytes() == read_rows(path)[1].tobytes()


@given(at=st.integers(0, 6 * RECORD - 1), flip=st.integers(1, 255))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_byte_ends_the_file_at_the_last_good_record(tmp_path: Path, at: int, flip: int) -> None:
    """Any changed byte of a record is noticed: the reader refuses the file, the writer drops it from there."""
    path = tmp_path / "rows.bin"
    path.unlink(missing_ok=True)
    write(path, [0, 1, 2, 3, 4, 5])
    data = bytearray(path.read_bytes())
    data[len(data) - 6 * RECORD + at] ^= flip
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_rows(path)
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    assert at // RECORD == len(writer)
    assert (6 - at // RECORD) * RECORD == len(data) - path.stat().st_size
    writer.close()


def test_zeros_left_by_a_power_loss_are_not_rows(tmp_path: Path) -> None:
    """A file that grew by zeroed blocks is cut back to its last real record."""
    path = tmp_path / "rows.bin"
    write(path, [3])
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(bytes(4096))
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    assert (1, size) == (len(writer), path.stat().st_size)
    writer.close()


def test_the_writer_never_writes_a_clip_twice(tmp_path: Path) -> None:
    """A clip number that has a row, from this run or an earlier one, is not written again."""
    path = tmp_path / "rows.bin"
    write(path, [1, 2])
    writer = RowsWriter.open_or_resume(path, CLASSES, "null")
    assert 1 == writer.append([2, 3, 3], scores([9, 3, 9]))
    writer.close()
    assert 0 == load_rows(path).duplicates
    assert scores([1, 2, 3]).tobytes() == read_rows(path)[1].tobytes()


def test_the_reader_keeps_the_first_of_two_rows(tmp_path: Path) -> None:
    """Two records of one clip, however they came there, count once: the first, and the other is counted as such."""
    path = tmp_path / "rows.bin"
    write(path, [1, 2])
    data = path.read_bytes()
    write(tmp_path / "other.bin", [2])
    path.write_bytes(data + (tmp_path / "other.bin").read_bytes()[-RECORD:] + data[-2 * RECORD : -RECORD])
    rows = load_rows(path)
    assert ([1, 2], 2) == (rows.numbers.tolist(), rows.duplicates)


def test_foreign_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    """A file that is not ours is neither read nor overwritten."""
    path = tmp_path / "rows.bin"
    path.write_bytes(b"something precious that is not ours")
    for use in (read_rows, lambda p: RowsWriter.open_or_resume(p, CLASSES)):
        with pytest.raises(InputError, match="not a file of rows"):
            use(path)
    assert b"something precious that is not ours" == path.read_bytes()


@pytest.mark.parametrize(("classes", "meta"), [(CLASSES + 1, "null"), (CLASSES, "other")])
def test_rows_of_another_model_are_refused(tmp_path: Path, classes: int, meta: str) -> None:
    """Rows of other classes or another runtime are not mixed into one file."""
    write(tmp_path / "rows.bin", [0])
    with pytest.raises(InputError, match="holds rows of 5 classes"):
        RowsWriter.open_or_resume(tmp_path / "rows.bin", classes, meta)


def test_a_file_cut_within_its_header_begins_anew(tmp_path: Path) -> None:
    """A kill while the file was begun leaves nothing to keep, at every length."""
    path = tmp_path / "rows.bin"
    header = Header(CLASSES, "null").data
    for length in range(len(header)):
        path.write_bytes(header[:length])
        assert read_header(path) is None
        write(path, [4])
        assert [4] == read_rows(path)[0].tolist()
        path.unlink()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """While one process writes the file another gets one clear line."""
    writer = RowsWriter.open_or_resume(tmp_path / "rows.bin", CLASSES)
    with pytest.raises(InputError, match="another process writes it"):
        RowsWriter.open_or_resume(tmp_path / "rows.bin", CLASSES)
    writer.close()
    RowsWriter.open_or_resume(tmp_path / "rows.bin", CLASSES).close()


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    """Reading rows that no stage wrote says what to run."""
    with pytest.raises(InputError, match="run the infer stage"):
        read_rows(tmp_path / "rows.bin")


def test_rows_of_the_wrong_shape_are_a_fault_of_the_caller(tmp_path: Path) -> None:
    """Logits that do not match the numbers or classes are never written."""
    writer = RowsWriter.open_or_resume(tmp_path / "rows.bin", CLASSES)
    with pytest.raises(ValueError, match="classes expected"):
        writer.append([0, 1], scores([0]))
    writer.close()
    assert 0 == len(read_rows(tmp_path / "rows.bin")[0])
