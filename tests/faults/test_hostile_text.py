"""Any text in every foreign place of a run: no panel and no dialog hands a control to the terminal."""

from __future__ import annotations

import asyncio
import json
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from tests.replay import ReplayClient
from tests.stories.make import HOSTILE

STORY = Path(__file__).resolve().parents[1] / "stories" / "hostile.jsonl"
KEYS = ("1", "2", "3", "4", "5", "6", "7", "d", "escape", "h", "escape", "r", "escape", "question_mark", "escape")
PIECES = st.sampled_from(
    ("\x1b[2J", "\x1b]52;c;AAAA\x07", "\x9b31m", "\x9d0;t\x9c", "\x00", "\x07", "\x08", "\r", "\n", "\t", "\x7f",
     "\x85",
     "\u202e", "\u2066", "\u200b", "\ud800", "\udc9b", "\ufeff", "\u2028", "e\u0301\u0301\u0301\u0301", "\U000e0041",
     "[/nope]", "[@click=app.quit]x[/]", "[red]", "{name}", "{0}", "%s", "\\", "视频", "🎬", "..", "/", "'", '"')
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), min_size=1, max_size=12).map("".join)


def obeyed(text: str) -> set[str]:
    """Characters that a terminal obeys, does not show, or cannot be sent."""
    return {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


def story(folder: Path, text: str) -> ReplayClient:
    """The story in which every foreign word is `text`, at its end."""
    body = STORY.read_text()
    for old, new in ((HOSTILE, text), (HOSTILE.replace("\x00", ""), text.replace("\x00", "") or "x")):
        body = body.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    (folder / "s.jsonl").write_text(body)
    client = ReplayClient.open(folder / "s.jsonl")
    client.seek(client.story.beats[-1][0])
    return client


async def look(client: ReplayClient) -> list[tuple[str, str]]:
    """What of every screen a terminal would have to obey: the key that led there, and the characters."""
    app = ConsoleApp(client, words=Words("en"), clock=lambda: client.now, theme="r3d-dark")
    found = []
    async with app.run_test(size=(120, 40)) as pilot:
        for key in KEYS:
            await pilot.press(key)
            await pilot.pause()
            drawn = "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)
            if left := obeyed(drawn):
                found.append((key, "".join(sorted(left))))
    return found


def check(text: str) -> None:
    """Every screen of the console, for one text."""
    with tempfile.TemporaryDirectory() as folder:
        client = story(Path(folder), f"{text}ż")
        assert [] == asyncio.run(look(client))


@pytest.mark.slow
@settings(max_examples=3, suppress_health_check=list(HealthCheck), derandomize=True)
@given(TEXTS)
def test_any_text_is_drawn_harmlessly(text: str) -> None:
    """Names of stages, devices, videos and labels, reasons, notes, paths, figures: three texts of many pieces."""
    check(text)


@pytest.mark.soak
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_a_hundred_texts_are_drawn_harmlessly(text: str) -> None:
    """The same with texts that differ from run to run."""
    check(text)
