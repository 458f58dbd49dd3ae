"""Pictures of the screens, compared cell by cell: few, with a frozen clock and a fixed theme.

`pytest --snapshot-update` draws them anew; look at each before it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from backends.engine.replay import ReplayClient
from r3d_tui.app import ConsoleApp
from r3d_tui.screens.board import Board

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]
SMALL, LARGE = (80, 24), (120, 40)


def _steady(*keys: str) -> Callable[[Pilot[Any]], Any]:
    """Wait for the snapshot and the log, press keys, wait until nothing moves."""

    async def run(pilot: Pilot[Any]) -> None:
        board = pilot.app.screen_stack[0]
        assert isinstance(board, Board)
        ends = asyncio.get_running_loop().time() + 15
        while board.snapshot is None and asyncio.get_running_loop().time() < ends:
            await pilot.pause(0.02)
        for key in keys:
            depth = len(pilot.app.screen_stack)
            await pilot.press(key)
            while (
                key in ("f", "h", "o")
                and len(pilot.app.screen_stack) == depth
                and asyncio.get_running_loop().time() < ends
            ):
                await pilot.pause(0.02)
        await pilot.pause(0.8)
        pilot.app.clear_notifications()
        await pilot.pause(0.3)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("story_name", "keys", "size", "language"),
    [
        ("new", (), SMALL, "en"),
        ("inferring", ("5",), SMALL, "en"),
        ("inferring", (), LARGE, "en"),
        ("inferring", (), LARGE, "zh"),
        ("failed", (), SMALL, "en"),
        ("failed", (), LARGE, "en"),
        ("failed", ("f",), SMALL, "en"),
        ("failed", ("l",), SMALL, "en"),
        ("finished", ("7",), SMALL, "en"),
        ("finished", (), LARGE, "en"),
        ("finished", ("7",), SMALL, "zh"),
        ("finished", ("question_mark",), SMALL, "en"),
        ("finished", ("o",), LARGE, "en"),
        ("finished", ("o",), SMALL, "zh"),
    ],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
def test_picture(
    story_name: str,
    keys: tuple[str, ...],
    size: tuple[int, int],
    language: str,
    story: OpenStory,
    inferring: ReplayClient,
    console: Console,
    snap_compare: Callable[..., bool],
) -> None:
    """The screen looks as it did when somebody looked at it."""
    client = inferring if story_name == "inferring" else story(story_name)
    assert snap_compare(console(client, language), terminal_size=size, run_before=_steady(*keys))
