"""Videos made in processes of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from backends.core.messages import Stopped
from backends.data.frame_pool import Failed, VideoFrames, VideoTask, make_all, make_video
from backends.data.video_pool import Check
from tests.data.conftest import FilmMaker


def _tasks(root: Path, film: FilmMaker, names: str, frames: int = 4) -> list[VideoTask]:
    return [
        VideoTask(film(root / f"{name}.avi", frames), "wave", name, root / "parts" / name, root / "wave" / name)
        for name in names
    ]


def crash_on_d(task: VideoTask, check: Check) -> VideoFrames | Failed:
    """As a decoder that a video makes crash; in a process of the pool."""
    if task.id == "d":
        os.kill(os.getpid(), signal.SIGKILL)
    return make_video(task, check)


def killed_twice_at_d(task: VideoTask, check: Check) -> VideoFrames | Failed:
    """As where somebody kills the process that is at this video, two times; in a process of the pool."""
    marks = task.source.with_suffix(".kills")
    if task.id == "d" and (not marks.exists() or marks.stat().st_size < 2):
        with marks.open("a") as file:
            file.write(".")
        os.kill(os.getpid(), signal.SIGKILL)
    return make_video(task, check)


def test_processes_give_what_one_gives(tmp_path: Path, film: FilmMaker) -> None:
    """The same records and the same bytes; every video once."""
    made: dict[int, dict[str, object]] = {1: {}, 2: {}}
    for workers, found in made.items():
        tasks = _tasks(tmp_path / str(workers), film, "abcdefgh")
        found |= {task.id: one for task, one in make_all(tasks, workers, lambda: None)}
    one, two = (
        {name: (record.frames, record.sha256) for name, record in found.items() if isinstance(record, VideoFrames)}
        for found in made.values()
    )
    assert list("abcdefgh") == list(one)
    assert one == two


def test_a_crash_skips_only_the_video_that_caused_it(tmp_path: Path, film: FilmMaker) -> None:
    """The pool begins again; the reason may pass, since the kernel's memory killer looks the same."""
    made = make_all(_tasks(tmp_path, film, "abcdefgh"), 2, lambda: None, crash_on_d)
    found = {task.id: one for task, one in made}
    assert list("abcdefgh") == list(found)
    failed = {name: one for name, one in found.items() if isinstance(one, Failed)}
    assert ["d"] == list(failed)
    assert failed["d"].is_temporary
    assert not list((tmp_path / "parts").iterdir())


def test_two_kills_from_outside_skip_no_video(tmp_path: Path, film: FilmMaker) -> None:
    """A video whose process was killed in the pool and once more by itself is made in the end."""
    made = make_all(_tasks(tmp_path, film, "abcdefgh"), 2, lambda: None, killed_twice_at_d)
    found = {task.id: one for task, one in made}
    assert list("abcdefgh") == list(found)
    assert all(isinstance(one, VideoFrames) for one in found.values())


def test_a_stop_ends_the_processes_soon(tmp_path: Path, film: FilmMaker) -> None:
    """What is being made is dropped, no half folder is left."""

    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(make_all(_tasks(tmp_path, film, "abcdefgh", 200), 2, check))
    assert all(200 == len(list(folder.iterdir())) for folder in (tmp_path / "wave").glob("*"))
