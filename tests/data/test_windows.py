"""Which frames make a clip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.data.data_specs import clip_count, clips
from tests.data.reference import clip_frames


@pytest.mark.parametrize(("frames", "expected"), [(1, 1), (5, 1), (16, 1), (17, 2), (160, 10), (161, 11), (213, 14)])
def test_a_clip_begins_at_every_sixteenth_frame(frames: int, expected: int) -> None:
    """The count before the cut is the number of begun windows."""
    assert expected == clip_count(1, frames + 1, 16, 16)


def test_a_short_window_loops_its_own_frames() -> None:
    """Five frames are repeated from the first until there are sixteen."""
    assert [(1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1)] == list(clips(1, 6, 16, 16, 10))


def test_only_the_last_window_is_filled() -> None:
    """The seventeenth frame alone makes the second clip."""
    assert [tuple(range(1, 17)), (17,) * 16] == list(clips(1, 18, 16, 16, 10))


def test_windows_may_overlap() -> None:
    """A stride below the length gives overlapping windows, up to the first one that runs over the end."""
    assert [(1, 2, 3, 4), (3, 4, 5, 3)] == list(clips(1, 6, 4, 2, 10))
    assert 2 == clip_count(1, 6, 4, 2)


@given(st.integers(0, 50), st.integers(1, 400), st.integers(1, 40), st.integers(1, 40))
def test_clips_are_the_references(first: int, frames: int, size: int, stride: int) -> None:
    """Any segment, length and stride give the frame numbers of the reference's sliding window, cut at ten clips."""
    expected = clip_frames(first, first + frames, size, stride)
    assert len(expected) == clip_count(first, first + frames, size, stride)
    assert expected[:10] == [list(clip) for clip in clips(first, first + frames, size, stride, 10)]
