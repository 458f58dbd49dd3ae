"""How often frames are written, beside what ffmpeg 7.0.2 wrote for the same timestamps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backends.data.constant_frame_rate import Cadence, grid_time


def _files(times: list[float | None], *, one_stream: bool = True) -> list[int]:
    """The number of the frame in each file."""
    cadence = Cadence(one_stream=one_stream)
    files: list[int] = []
    for number, at in enumerate(times):
        again, copies = cadence.place(at)
        files += [number - 1] * again + [number] * copies
    return files + [len(times) - 1] * cadence.finish()


def test_regular_frames_are_written_once() -> None:
    """Frames that come one a unit of time are written once each."""
    assert [0, 1, 2, 3, 4] == _files([0, 1, 2, 3, 4])


def test_frames_without_times_are_written_once() -> None:
    """A file that does not say when its frames are due gives each once."""
    assert [0, 1, 2] == _files([None, None, None])


def test_a_late_start_is_not_filled_in_a_file_of_one_stream() -> None:
    """HMDB51's clips begin at time 2; no frame is written before the first, and none twice."""
    assert [0, 1, 2, 3] == _files([2, 3, 4, 5])


def test_a_late_start_is_filled_where_there_is_sound() -> None:
    """With a second stream the first frame is repeated up to its time, as ffmpeg does."""
    assert [0, 0, 0, 1, 2] == _files([2, 3, 4], one_stream=False)


def test_a_gap_is_filled_from_both_sides() -> None:
    """Two frames are missing after frame 2: it and the one after the gap are written twice, as ffmpeg does."""
    assert [0, 1, 2, 2, 3, 3, 4, 5] == _files([0, 1, 2, 5, 6, 7])


def test_crowded_frames_are_left_out() -> None:
    """Where frames come twice as often as the rate says, about half of them are written."""
    files = _files([n / 2 for n in range(40)])
    assert len(files) in range(19, 23)
    assert sorted(set(files)) == files


def test_small_jitter_changes_nothing() -> None:
    """Milliseconds of Matroska (33, 67, 100) are near enough to their places."""
    times = [grid_time(pts, 0.001, 0.067, 30.0) for pts in (67, 100, 133, 167, 200, 233)]
    assert [0, 1, 2, 3, 4, 5] == _files(times)


@given(st.lists(st.floats(0, 500), max_size=40).map(sorted))
def test_the_files_cover_the_time(times: list[float]) -> None:
    """Whatever the times, files follow the frames' order and their number stays near the last time."""
    files = _files(list(times))
    assert sorted(files) == files
    if times:
        assert len(files) <= 2 * (times[-1] + len(times)) + 3
