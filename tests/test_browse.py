"""A look into a workspace's data set: its videos and the pixels of a clip."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.core.errors import InputError
from backends.core.events import Outcome, SetAside
from backends.core.messages import line
from backends.core.run_state import Run, StageRun
from backends.data.clip_index import VideoClips
from backends.device.clip_format import INDEX, ClipHeader, header_line, seal, shard_path, video_line
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from backends.workspace.browser import clip_frames, find_video, list_videos


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A run whose store has one video with one clip: each pixel its row, in red alone."""
    import zlib

    import numpy as np

    folders = Folders(tmp_path)
    store = folders.artifact("preprocess", "f") / "store"
    store.mkdir(parents=True)
    clip = np.zeros((3, 16, 112, 112), np.uint8)
    clip[0] = np.arange(112, dtype=np.uint8)[:, None]
    shard_path(store, 0).write_bytes(clip.tobytes())
    video = video_line(VideoClips("v", "wave", 0, 1, 2, (1, 33)), [zlib.crc32(clip.tobytes())])
    (store / INDEX).write_bytes(header_line(ClipHeader()) + video + seal({"end": [1, 1], "digest": "d"}))
    aside = (SetAside("w", line("no frames")),)
    run = Run(
        id="r",
        stages=(
            StageRun("frames", "done", outcome=Outcome(set_aside=aside), fingerprint="f"),
            StageRun("preprocess", "done", outcome=Outcome(outputs={"store": "store"}), fingerprint="f"),
        ),
    )
    folder = folders.run("r")
    folder.path.mkdir(parents=True)
    folder.plan.write_text("{}")
    journal = Journal(folder.journal)
    journal.commit([], run)
    journal.close(finished=True)
    return tmp_path


def test_videos_are_listed_with_those_set_aside(workspace: Path) -> None:
    """Clips and frames of those in the store; of the others the stage and its reason."""
    there, aside = list_videos(workspace)
    assert ("v", "wave", 32, 1, 2) == (there.video, there.label, there.frames, there.clips, there.clips_before_cut)
    assert ("w", "frames", "no frames") == (aside.video, aside.stage, str(aside.reason))


def test_one_video_is_found_by_its_name(workspace: Path) -> None:
    """As the list has it, where the store has it."""
    assert list_videos(workspace)[0] == find_video(workspace, "v")
    assert find_video(workspace, "w") is None


def test_a_damaged_line_is_told_where_its_video_is_asked_for(workspace: Path) -> None:
    """With its number in the index; other videos' lines are not looked at."""
    index = Folders(workspace).artifact("preprocess", "f") / "store" / INDEX
    index.write_bytes(index.read_bytes().replace(b'"clips":1', b'"clips":2'))
    with pytest.raises(InputError, match="line 2: damaged"):
        clip_frames(workspace, "v", 0, 40)
    with pytest.raises(InputError, match="x has no clip 1"):
        clip_frames(workspace, "x", 0, 40)


def test_a_clip_is_scaled_by_means(workspace: Path) -> None:
    """Each pixel is the mean of those that it covers; as many as asked for, or as there are."""
    small = clip_frames(workspace, "v", 0, 56)
    assert (16, 56, 56) == (small.frames, small.height, small.width)
    assert 16 * 56 * 56 * 3 == len(small.data)
    assert bytes([2, 0, 0]) == small.frame(15)[56 * 3 : 56 * 3 + 3]
    assert 112 == clip_frames(workspace, "v", 0, 500).height


@pytest.mark.parametrize(("video", "clip"), [("v", 1), ("v", -1), ("nobody", 0)])
def test_a_clip_that_is_not_there_is_refused(video: str, clip: int, workspace: Path) -> None:
    """In one line, with its number as people count."""
    with pytest.raises(InputError, match=f"{video} has no clip {clip + 1}"):
        clip_frames(workspace, video, clip, 40)


def test_a_workspace_without_clips_says_what_to_do(tmp_path: Path) -> None:
    """Nothing has run yet: a sentence instead of an empty list."""
    with pytest.raises(InputError, match="no run here has made clips yet"):
        list_videos(tmp_path)
