"""Fixtures of the console's tests: stories, clients over them, the app with a frozen clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backends.core.client import Snapshot
from backends.engine.replay import ReplayClient
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.terminal import tty

STORIES = Path(__file__).resolve().parents[1] / "stories"

OpenStory = Callable[..., ReplayClient]


@pytest.fixture
def story() -> OpenStory:
    """Opens a story by name at a time; `at` beyond its end is its end."""

    def opened(name: str, at: float = 1e6) -> ReplayClient:
        client = ReplayClient.open(STORIES / f"{name}.jsonl")
        client.seek(min(at, client.story.beats[-1][0] if client.story.beats else 0.0))
        return client

    return opened


@pytest.fixture
def inferring(story: OpenStory) -> ReplayClient:
    """The finished story in the middle of its inference, two devices at work."""
    client = story("finished", 0.0)
    client.seek_until(lambda run: any(device.clips > 2000 for device in run.devices))
    return client


@pytest.fixture
def words() -> Words:
    """English."""
    return Words("en")


@pytest.fixture
def console() -> Callable[..., ConsoleApp]:
    """The app over a client, its clock that of the recording."""

    def made(client: ReplayClient, language: str = "en", **options: object) -> ConsoleApp:
        options.setdefault("theme", "r3d-dark")
        return ConsoleApp(client, words=Words(language), clock=lambda: client.now, **options)  # type: ignore[arg-type]

    return made


@pytest.fixture
def snapshots(story: OpenStory) -> dict[str, Snapshot]:
    """The last snapshot of every story."""
    return {path.stem: story(path.stem).snapshot() for path in sorted(STORIES.glob("*.jsonl"))}


@pytest.fixture(autouse=True)
def unicode_again() -> Iterator[None]:
    """Whatever a test set, the next draws in Unicode."""
    tty.set_charset(ascii_only=False)
    yield
    tty.set_charset(ascii_only=False)
