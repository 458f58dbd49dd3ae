"""Fixtures of the console's tests: stories, clients over them, the app with a frozen clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from backends import api
from backends.core.catalog_pages import VideoEntry
from backends.core.client import Snapshot
from backends.data.catalog import SqlCatalog, memory_catalog
from backends.engine.folders import Folders
from backends.engine.run_results import each_skipped
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.terminal import tty
from tests.replay import ReplayClient

STORIES = Path(__file__).resolve().parents[1] / "stories"

OpenStory = Callable[..., ReplayClient]


@pytest.fixture
def catalogs(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[str], SqlCatalog]]:
    """The last of these gives the catalog of a run by its id; a story puts its own in front."""
    made: list[Callable[[str], SqlCatalog]] = []
    monkeypatch.setattr(api, "open_catalog", lambda _, run_id="", **__: made[-1](run_id))
    return made


@pytest.fixture
def story(catalogs: list[Callable[[str], SqlCatalog]]) -> OpenStory:
    """Opens a story by name at a time; `at` beyond its end is its end. Its catalog is what the story names."""

    def opened(name: str, at: float = 1e6) -> ReplayClient:
        client = ReplayClient.open(STORIES / f"{name}.jsonl")
        client.seek(min(at, client.story.beats[-1][0] if client.story.beats else 0.0))
        catalogs.insert(0, partial(catalog_of, client))
        return client

    return opened


def catalog_of(client: ReplayClient, run_id: str = "") -> SqlCatalog:
    """The report's wrong videos and what the stages skipped; of an earlier run nothing."""
    snapshot = client.snapshot()
    if run_id not in ("", snapshot.run.id):
        return memory_catalog((), ())
    worst = snapshot.report.worst if snapshot.report else ()
    videos = [VideoEntry(one.video, one.label, 30, 2, 2, 1, 31, one.predicted, one.score) for one in worst]
    skipped = each_skipped(Folders(client.workspace), snapshot.run)
    return memory_catalog(videos, skipped, lambda run: catalog_of(client, run))


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
