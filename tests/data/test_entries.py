"""Videos as a face shows them, in columns."""

from __future__ import annotations

from backends.core.clip_entries import VideoEntry
from backends.core.messages import line
from backends.data.clip_index import VideoClips
from backends.data.video_entries import VideoEntries


def test_entries_come_back_as_they_were_added() -> None:
    """Those of the store first, with why they were set aside, then the others; none of them is held as such."""
    found = VideoEntries()
    found.add(VideoClips("b", "wave", 0, 2, 3, (1, 42)))
    found.add(VideoClips("ä\n", "clap", 2, 0, 0), (line("no frames"), "frames"))
    found.others.append(VideoEntry("c", ""))
    expected = (
        VideoEntry("b", "wave", 41, 2, 3, (1, 42)),
        VideoEntry("ä\n", "clap", None, 0, 0, reason=line("no frames"), stage="frames"),
        VideoEntry("c", ""),
    )
    assert expected == tuple(found)
    assert expected[1:] == found[1:]
    assert (3, expected[2], expected[0]) == (len(found), found[-1], found[0])
    assert found == expected
    assert found != expected[1:]
