"""The clip of a misclassified video, played beside the result where the window is wide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backends import api
from backends.core.catalog_pages import ClipFrames
from backends.core.messages import InputError
from r3d_tui.app import ConsoleApp
from r3d_tui.screens import clip_player
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]


def _text(app: ConsoleApp) -> str:
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def test_the_clip_of_the_chosen_video_is_played_and_rests(
    story: OpenStory, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """j and k choose another of the misclassified; one whose clip cannot be read says why; nothing is asked twice."""
    asked: list[str] = []

    def frames(_: Path, video: str, clip: int, side: int, _run: str = "") -> ClipFrames:
        asked.append(video)
        if len(asked) > 1:
            raise InputError("{video}: no clips", video=video)
        return ClipFrames(video, clip, 2, side, side, bytes(2 * 3 * side * side))

    monkeypatch.setattr(api, "clip_frames", frames)
    monkeypatch.setattr(clip_player, "FRAMES_A_SECOND", 100)
    client = story("finished")
    report = client.snapshot().report
    assert report is not None
    first, second = report.worst[:2]
    app = console(client)
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: "▀▀▀▀" in _text(app) and f"╭ {first.video[:20]}" in _text(app))
        await until(pilot, lambda: not app.board.is_playing)
        await pilot.press("j")
        await until(pilot, lambda: f"╭ {second.video[:20]}" in _text(app) and "no clips" in _text(app))
        assert "▀▀▀▀" not in _text(app)
        assert "j/k 2/" in _text(app)
        await pilot.press("j", "k")
        await until(pilot, lambda: len(asked) == 4)
    async with console(client).run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.2)
        assert 4 == len(asked)
