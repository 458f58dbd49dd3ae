"""Result folders of the inference tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backends.core.messages import InputError
from backends.evaluate.result_files import match, read_info, read_rows, result_folder


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    "name",
    ["wave_med_0_0.bin", "wave_med_0_output_0.bin", "wave_med_0_0.npy", "wave_med_0_0.txt", "wave_med_0_0.BIN"],
)
def test_a_result_belongs_to_its_video_whichever_tool_named_it(tmp_path: Path, name: str) -> None:
    """ais_bench, ais_infer and msame names lead to the same video, whose own name may end like an output number."""
    assert {"wave_med_0": tmp_path / name} == match(_touch(tmp_path, name), {"wave_med_0": 3}).files


def test_a_name_that_the_tool_cut_at_its_first_dot_is_found_again(tmp_path: Path) -> None:
    """The tools write `a` for `a.b`; that is taken back only where it is not ambiguous."""
    found = match(_touch(tmp_path, "a_0.bin", "c_0.bin"), {"a.b": 1, "c.d": 1, "c.e": 1})
    assert ["a.b"] == list(found.files)
    assert ["c_0.bin"] == [name for name, _ in found.foreign]


def test_summaries_are_no_results_and_foreign_files_are_named(tmp_path: Path) -> None:
    """json files count for nothing; a file of no video and a second output are listed with their reason."""
    folder = _touch(tmp_path, "a_0.bin", "a_1.bin", "sumary.json", "x_summary.json", "stranger_0.bin", "readme.txt")
    found = match(folder, {"a": 1})
    assert {"a": folder / "a_0.bin"} == found.files
    assert {"a_1.bin", "stranger_0.bin", "readme.txt"} == {name for name, _ in found.foreign}


def test_an_id_that_ends_in_output_is_not_taken_for_another(tmp_path: Path) -> None:
    """`a_output_0.bin` is the video `a_output` where there is one."""
    found = match(_touch(tmp_path, "a_output_0.bin", "a_0.bin"), {"a": 1, "a_output": 1})
    assert {"a": "a_0.bin", "a_output": "a_output_0.bin"} == {k: v.name for k, v in found.files.items()}


def test_folders_by_device_are_read_and_second_copies_counted(tmp_path: Path) -> None:
    """Newer tools run every file on every device, each into a folder of its own."""
    folder = _touch(tmp_path, "device0_0/a_0.bin", "device1_1/a_0.bin", "device1_1/b_0.bin")
    found = match(result_folder(folder), {"a": 1, "b": 1})
    assert ({"a", "b"}, 1, []) == (set(found.files), found.ignored, found.foreign)


def test_the_dated_folder_inside_is_taken_where_it_is_the_only_one(tmp_path: Path) -> None:
    """`result` may be named instead of `result/2024_01_01-10_00_00`; with two of them the user must choose."""
    _touch(tmp_path, "2024_01_01-10_00_00/a_0.bin")
    assert tmp_path / "2024_01_01-10_00_00" == result_folder(tmp_path)
    _touch(tmp_path, "2024_01_02-10_00_00/a_0.bin")
    with pytest.raises(InputError, match="several result folders"):
        result_folder(tmp_path)


def test_results_without_video_names_are_refused(tmp_path: Path) -> None:
    """The earliest ais_infer numbers its inputs: scores that cannot be told apart are not guessed at."""
    with pytest.raises(InputError, match="do not carry"):
        match(_touch(tmp_path, "input0_output_0.bin", "input1_output_0.bin"), {"a": 1})


def test_the_info_file_keeps_its_order_and_sets_bad_lines_aside(tmp_path: Path) -> None:
    """Names may hold blanks; a line without a count, a count of zero and contradicting lines are named."""
    path = tmp_path / "hmdb51.info"
    path.write_text("b x 14\na 3\nzero 0\nalone\ntwice 1\ntwice 2\na 3\n")
    info = read_info(path)
    assert [("b x", 14), ("a", 3)] == list(info.clips.items())
    assert ["zero", "alone", "twice"] == [name for name, _ in info.skipped]


@pytest.mark.parametrize("content", [None, b"", b"\n\n"])
def test_an_info_file_that_is_missing_or_empty_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """There is nothing to score without it."""
    path = tmp_path / "hmdb51.info"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"hmdb51\.info"):
        read_info(path)


def test_all_three_forms_of_a_result_give_the_same_rows(tmp_path: Path) -> None:
    """float32 bytes, a numpy file and text of numbers."""
    table = np.arange(20, dtype=np.float32).reshape(10, 2) / 7
    table.tofile(tmp_path / "a.bin")
    np.save(tmp_path / "a.npy", table.reshape(1, 10, 2))
    np.savetxt(tmp_path / "a.txt", table, fmt="%.9g")
    for suffix in ("bin", "npy", "txt"):
        rows, trouble = read_rows(tmp_path / f"a.{suffix}", 10, 2)
        assert "" == str(trouble)
        np.testing.assert_array_equal(table, rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.bin", b"\0" * 81),
        ("a.bin", b"\0" * 76),
        ("a.bin", b""),
        ("a.bin", b"\0" * 84),
        ("a.npy", b"no numpy file"),
        ("a.txt", b"1 2 three"),
        ("a.txt", b"\xff\xfe"),
    ],
)
def test_a_result_of_another_size_or_form_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    """Short, long, cut inside a number, or not what its suffix says: no rows, and a reason with the file's name."""
    (tmp_path / name).write_bytes(content)
    rows, trouble = read_rows(tmp_path / name, 10, 2)
    assert rows is None
    assert name in str(trouble)
