"""The first picture of the console."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from r3d_tui.app import ConsoleApp
from r3d_tui.widgets.sheet import Sheet
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

Console = Callable[..., ConsoleApp]


def _text(app: ConsoleApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def _mounted(app: ConsoleApp) -> set[str | None]:
    return {sheet.id for sheet in app.board.query(Sheet)}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_first_picture_shows_the_run(
    size: tuple[int, int], inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is drawn before there is something to show, and what the picture does not show comes behind it."""
    app = console(inferring)
    pictures: list[tuple[str, set[str | None]]] = []
    shown = ConsoleApp._display

    def show(self: ConsoleApp, screen: Any, picture: Any) -> None:
        if picture is not None:
            pictures.append((_text(self), _mounted(self)))
        shown(self, screen, picture)

    monkeypatch.setattr(ConsoleApp, "_display", show)
    async with app.run_test(size=size) as pilot:
        every = {"header", "strip", "status", "footer", "small", *app.board.panels}
        await until(pilot, lambda: _mounted(app) == every)
    text, mounted = pictures[0]
    assert "✓check" in text
    assert "CHIP" in text
    assert ("data" in mounted, "small" in mounted) == (size[0] == 120, False)


async def test_a_client_that_takes_long_is_not_waited_for(
    inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame comes without it, and its panels when it has come."""
    gate, glance = threading.Event(), inferring.glance

    def slow() -> Any:
        gate.wait(20.0)
        return glance()

    monkeypatch.setattr(inferring, "glance", slow)
    monkeypatch.setattr("r3d_tui.screens.board.FIRST_S", 0.01)
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "r3d-tui" in _text(app))
        assert "verify" not in _text(app)
        gate.set()
        await until(pilot, lambda: "✓onnx" in _text(app))


async def test_a_panel_may_be_asked_for_before_it_is_there(
    inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown as soon as it is."""
    monkeypatch.setattr("r3d_tui.screens.board.REST_S", 0.3)
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot is not None)
        assert "stages" not in _mounted(app)
        await pilot.press("6")
        await until(pilot, lambda: "─ Stages ─" in _text(app))
