"""The console over the real engine, from a folder where data lies about to an accuracy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from backends import api
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.screens.dialog import Dialog
from r3d_tui.screens.setup import Setup
from tests.r3d_tui.waiting import until

SETTLES_S = 120.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Videos, split files and a checkpoint, as they lie about."""
    api.build_demo(tmp_path)
    (tmp_path / "r3d.toml").unlink()
    return tmp_path


@pytest.fixture
def app(folder: Path) -> Iterator[ConsoleApp]:
    """The console as `r3d-tui` opens it there."""
    client = api.open_client(folder)
    yield ConsoleApp(client, words=Words("en"), theme="r3d-dark", live=True)
    client.close()


def _text(app: ConsoleApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def _made(pilot: Pilot[int], app: ConsoleApp) -> None:
    """The workspace, by one Enter in the form."""
    await until(pilot, lambda: isinstance(app.screen, Setup) and "✓ resnet-10 · 10 classes" in _text(app), 30)
    await pilot.press("enter")
    await until(
        pilot, lambda: "stages run, 0 up to date" in _text(app) and "✓ 10 classes, 100 videos" in _text(app), 30
    )


async def test_two_presses_of_enter_lead_to_an_accuracy(app: ConsoleApp) -> None:
    """One makes the workspace out of what was found, the other runs it."""
    async with app.run_test(size=(80, 24)) as pilot:
        await _made(pilot, app)
        await pilot.press("enter")
        await until(pilot, lambda: "top-1 0.9625" in _text(app), SETTLES_S)
        assert app.screen is app.board
        assert "✓eval" in _text(app)


async def test_a_contradiction_is_solved_with_one_key_before_the_run(app: ConsoleApp, folder: Path) -> None:
    """f writes the setting that the plan names, and the contradiction goes."""
    settings = folder / "r3d.toml"
    async with app.run_test(size=(80, 24)) as pilot:
        await _made(pilot, app)
        settings.write_text(settings.read_text().replace("# classes = 51", "classes = 51"))
        await until(pilot, lambda: "f writes model.classes = 10" in _text(app), 30)
        await pilot.press("f")
        await until(pilot, lambda: "✗" not in _text(app), 30)
    assert "\nclasses = 10" in settings.read_text()
    assert "new" == app.client.snapshot().run.state


async def test_a_wrong_class_count_is_fixed_before_a_run_by_enter(app: ConsoleApp, folder: Path) -> None:
    """What is recommended then is the fix, not a run that fails: Enter writes the setting, and the next one runs."""
    settings = folder / "r3d.toml"
    async with app.run_test(size=(80, 24)) as pilot:
        await _made(pilot, app)
        settings.write_text(settings.read_text().replace("# classes = 51", "classes = 51"))
        await until(pilot, lambda: "f APPLY FIX" in _text(app) and "not ready" in _text(app), 30)
        await pilot.press("enter")
        await until(pilot, lambda: "ready to run" in _text(app) and "Enter RUN" in _text(app), 30)
    assert "classes = 10" in settings.read_text()


async def test_a_wrong_class_count_is_fixed_and_rerun_with_one_key(app: ConsoleApp, folder: Path) -> None:
    """The plan names it, the run fails on it at once, and f writes the setting and reruns."""
    settings = folder / "r3d.toml"
    async with app.run_test(size=(80, 24)) as pilot:
        await _made(pilot, app)
        settings.write_text(settings.read_text().replace("# classes = 51", "classes = 51"))
        await until(pilot, lambda: "✗" in _text(app) and "51 was" in _text(app), 30)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        await pilot.press("enter")
        await until(pilot, lambda: "+ classes = 10" in _text(app), 30)
        await pilot.press("f")
        await until(pilot, lambda: "✓check" in _text(app), 30)
        app.client.stop()
        await until(pilot, lambda: not app.client.snapshot().alive, 60)
    assert "\nclasses = 10" in settings.read_text()
