"""`r3d-tui report`: what it gathers for the page of a run."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np

from backends.core.client import RunResult, RunSummary
from backends.core.events import Outcome
from backends.core.run_state import Run, StageRun
from backends.core.values import Report, VideoScore
from backends.data.clip_store import VideoClips
from backends.device.clip_format import INDEX, ClipHeader, header_line, seal, shard_path, video_line
from backends.engine.folders import Folders
from backends.engine.journal import Journal
from r3d_tui.commands.open_report import write_report
from r3d_tui.headless.html_report import Thumbnail, png

REPORT = Report("validation", 1, 1, 0, 1, 1, 0.0, 0.0, 0.0, 0.0, 0.0, worst=(VideoScore("v", "wave", "run", 0.9),))


def _ran(workspace: Path, run_id: str, shade: int) -> Run:
    """A finished run whose store holds one clip of one shade."""
    folders = Folders(workspace)
    store = folders.artifact("preprocess", run_id) / "store"
    store.mkdir(parents=True)
    clip = np.full((3, 16, 112, 112), shade, np.uint8)
    shard_path(store, 0).write_bytes(clip.tobytes())
    video = video_line(VideoClips("v", "wave", 0, 1, 1, (1, 17)), [zlib.crc32(clip.tobytes())])
    (store / INDEX).write_bytes(header_line(ClipHeader()) + video + seal({"end": [1, 1], "digest": "d"}))
    preprocess = StageRun("preprocess", "done", outcome=Outcome(outputs={"store": "store"}), fingerprint=run_id)
    run = Run(id=run_id, state="done", stages=(preprocess,))
    folder = folders.run(run_id)
    folder.path.mkdir(parents=True)
    folder.plan.write_text("{}")
    journal = Journal(folder.journal)
    journal.commit([], run)
    journal.close(finished=True)
    return run


class Client:
    """Gives the runs that it was made with."""

    def __init__(self, workspace: Path, *runs: Run) -> None:
        self.workspace = workspace
        self._runs = {run.id: run for run in runs}

    def result(self, run_id: str) -> RunResult:
        return RunResult(RunSummary(run_id, "done", None, None, None, None), REPORT, self._runs[run_id])

    def history(self, run_id: str) -> tuple[()]:
        return ()


def test_the_thumbnails_are_those_of_the_runs_own_clips(tmp_path: Path) -> None:
    """A later run has cut others."""
    client = Client(tmp_path, _ran(tmp_path, "r1", 50), _ran(tmp_path, "r2", 200))
    for run_id, shade in (("r1", 50), ("r2", 200)):
        page = write_report(client, run_id).read_text()  # type: ignore[arg-type]
        thumbnail = png(Thumbnail(112, 112, bytes([shade]) * (112 * 112 * 3)))
        assert base64.b64encode(thumbnail).decode() in page
