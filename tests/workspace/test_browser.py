"""A look into what a workspace's runs made: their catalogs and the pixels of a clip."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.catalog_pages import Query
from backends.core.events import Outcome, Skipped
from backends.core.messages import InputError, line
from backends.core.run_state import Run, StageRun
from backends.data.clip_store import VideoClips
from backends.device.clip_format import INDEX, ClipHeader, header_line, seal, shard_path, video_line
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from backends.workspace import browser
from backends.workspace.browser import clip_frames, open_catalog

VIDEOS, SKIPPED = Query("videos"), Query("skipped")


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
    aside = (Skipped("w", line("no frames")),)
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


def _names(workspace: Path, query: Query) -> list[str]:
    with contextlib.closing(open_catalog(workspace)) as catalog:
        return [getattr(one, "video", "") or one.item for one in catalog.page(query, 0, 99)]


def test_videos_are_listed_with_their_clips(workspace: Path) -> None:
    """Without an annotation those in the store; what was skipped is listed with stage and reason."""
    with contextlib.closing(open_catalog(workspace)) as catalog:
        (there,) = catalog.page(VIDEOS, 0, 9)
        assert ("v", "wave", 32, 1, 2) == (there.video, there.label, there.frames, there.clips, there.clips_before_cut)
        (skipped,) = catalog.page(SKIPPED, 0, 9)
        assert ("w", "frames", "no frames") == (skipped.item, skipped.stage, str(skipped.reason))
        assert (there, None) == (catalog.video("v"), catalog.video("w"))


def _predictions(workspace: Path, text: str) -> Path:
    """The run evaluated too."""
    folders = Folders(workspace)
    path = folders.artifact("evaluate", "e") / "predictions.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    journal = Journal(folders.run("r").journal)
    run = journal.state()
    assert run is not None
    stage = StageRun("evaluate", "done", outcome=Outcome(outputs={"predictions": path.name}), fingerprint="e")
    journal.commit([], replace(run, stages=(*run.stages, stage)))
    journal.close(finished=True)
    return path


CSV = (
    "video,class,right,in_top_k,reason,label_1,score_1\n"
    "w,wave,,,its frames are gone\n"
    "v,wave,1,1,,wave,0.75\n"
    "'=b,wave,0,1,,clap,0.5\n"
)


def test_predictions_stand_beside_clips_and_reasons(workspace: Path) -> None:
    """In the annotation's order; of several reasons the first stage's counts; no formula keeps its quote."""
    _predictions(workspace, CSV)
    with contextlib.closing(open_catalog(workspace)) as catalog:
        w, v, b = catalog.page(VIDEOS, 0, 9)
    assert [("w", None, None), ("v", "wave", 0.75), ("=b", "clap", 0.5)] == [
        (one.video, one.predicted, one.score) for one in (w, v, b)
    ]
    assert ("frames", "no frames") == (w.stage, str(w.reason))
    assert (1, 0) == (v.clips, b.clips)
    assert [None, True, False] == [one.is_right for one in (w, v, b)]


def test_the_catalog_is_made_once_and_again_where_the_run_went_on(workspace: Path) -> None:
    """It stands in the run's folder, is taken as it is while nothing changes, and is never stale."""
    assert ["v"] == _names(workspace, VIDEOS)
    made = Folders(workspace).run("r").path / browser.CATALOG
    before = made.stat().st_mtime_ns, made.stat().st_ino
    assert ["v"] == _names(workspace, VIDEOS)
    assert before == (made.stat().st_mtime_ns, made.stat().st_ino)
    _predictions(workspace, CSV)
    assert ["w", "v", "=b"] == _names(workspace, VIDEOS)
    assert [made.name] == [path.name for path in made.parent.iterdir() if browser.CATALOG in path.name]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(90), b"no database"])
def test_a_damaged_catalog_is_made_again(workspace: Path, content: bytes) -> None:
    """It holds nothing that cannot be read once more."""
    (Folders(workspace).run("r").path / browser.CATALOG).write_bytes(content)
    assert ["v"] == _names(workspace, VIDEOS)


def test_large_runs_are_read_in_a_process_of_their_own(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same result, so that the console answers keys meanwhile."""
    _predictions(workspace, CSV)
    monkeypatch.setattr(browser, "LARGE", 0)
    assert ["w", "v", "=b"] == _names(workspace, VIDEOS)


def test_a_workspace_that_cannot_or_must_not_be_written_is_looked_at_all_the_same(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog is then in memory, and no file is left."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    with contextlib.closing(open_catalog(workspace, keep=False)) as catalog:
        assert 1 == catalog.count(VIDEOS)
    monkeypatch.setattr(browser, "write_catalog", refuse)
    assert (["v"], ["w"]) == (_names(workspace, VIDEOS), _names(workspace, SKIPPED))
    assert [] == list(Folders(workspace).run("r").path.glob("*catalog*"))


def test_an_unknown_run_is_named(workspace: Path) -> None:
    """With what lists those there are."""
    with pytest.raises(InputError, match="unknown run x"):
        open_catalog(workspace, "x")


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
        open_catalog(tmp_path)
