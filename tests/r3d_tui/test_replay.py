"""A recorded run behind the client protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.core.client import Client, RunRequest
from backends.core.messages import InputError
from tests.replay import ReplayClient, read_story

OpenStory = Callable[..., ReplayClient]


def test_a_story_is_stepped_and_sought(story: OpenStory) -> None:
    """Steps and seeks give the same states as playing to that place; going back works too."""
    client: Client = story("finished", 0.0)
    assert isinstance(client, ReplayClient)
    assert "running" == client.snapshot().run.state
    while client.step():
        pass
    end = client.snapshot()
    assert "done" == end.run.state
    client.seek(60.0)
    assert "running" == client.snapshot().run.stage("preprocess").state
    client.seek(1e6)
    assert end.run == client.snapshot().run
    assert end.report == client.snapshot().report


def test_a_version_says_whether_anything_changed(story: OpenStory) -> None:
    """Equal versions mean equal content; every beat makes another version."""
    client = story("failed", 50.0)
    first = client.snapshot()
    assert first == client.snapshot()
    client.step()
    assert first.version != client.snapshot().version


def test_waiting_ends_when_the_story_goes_on(story: OpenStory) -> None:
    """`changed` is False after its time-out and True as soon as another thread steps."""
    client = story("failed", 50.0)
    client.snapshot()
    assert not client.changed(0.01)
    threading.Timer(0.05, client.step).start()
    assert client.changed(5.0)


def test_a_clock_plays_the_story(story: OpenStory) -> None:
    """With a clock the recording plays as fast as asked."""
    time = [10.0]
    client = ReplayClient(story("finished", 0.0).story, clock=lambda: time[0], speed=4.0)
    time[0] += 15.0
    assert client.story.began + 60.0 == client.now
    assert "running" == client.snapshot().run.stage("preprocess").state


def test_logs_are_read_in_pieces(story: OpenStory) -> None:
    """The tail, then from where the last piece ended."""
    client = story("failed")
    tail = client.log("export", limit=10)
    whole = client.log("export", 0)
    assert 10 == tail.end - tail.offset
    assert whole.text.endswith(tail.text)
    assert "" == client.log("export", whole.end).text
    assert "" == client.log("nothing").text


def test_what_is_asked_for_is_written_down(story: OpenStory) -> None:
    """Starts and commands are kept for the tests; a stop where nothing runs is refused."""
    client = story("finished")
    client.start(RunRequest(force=True))
    assert [RunRequest(force=True)] == client.asked
    with pytest.raises(InputError, match="nothing is running"):
        client.stop()
    with pytest.raises(InputError, match="infer is not running"):
        client.command("infer", {"command": "device"})


@pytest.mark.parametrize("text", ["", "{}", '{"story": {}}\nnonsense', '{"story": {}}\n{"at": 1}', '{"story": []}'])
def test_what_is_no_story_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    """The line at fault is named."""
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.jsonl, line \d: not a recorded run"):
        read_story(path)


def test_a_missing_story_is_refused(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(InputError, match=r"no\.jsonl"):
        read_story(tmp_path / "no.jsonl")
