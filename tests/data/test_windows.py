"""Which frames make a clip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.data.clip_sampling import clip_count, clips
from tests.data.reference import clip_frames


@pytest.mark.parametrize(("frames", "expected"), [(1, 1), (5, 1), (16, 1), (17, 2), (160, 10), (161, 11), (213, 14)])
def test_a_clip_begins_at_every_sixteenth_frame(frames: int, expected: int) -> None:
    """The count before the cut is the number of begun windows."""
    assert expected == clip_count(1, frames + 1, 16)


def test_a_short_window_loops_its_own_frames() -> None:
    """Five frames are repeated from the first until there are sixteen."""
    assert [(1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1)] == list(clips(1, 6, 16, 16, 10))


def test_only_the_last_window_is_filled() -> None:
    """The seventeenth frame alone makes the second clip."""
    assert [tuple(range(1, 17)), (17,) * 16] == list(clips(1, 18, 16, 16, 10))


def test_windows_may_overlap() -> None:
    """A stride below the length gives overlapping windows, each filled from its own start."""
    assert [(1, 2, 3, 4), (3, 4, 5, 3), (5, 5, 5, 5)] == list(clips(1, 6, 4, 2, 10))


@given(first=st.integers(0, 50), frames=st.integers(1, 400))
def test_clips_are_the_references(first: int, frames: int) -> None:
    """Any segment gives the frame numbers of the guide, cut at ten clips."""
    assert clip_frames(first, first + frames)[:10] == [list(clip) for clip in clips(first, first + frames, 16, 16, 10)]
