"""The preview in terminals that have pictures, and in those that do not: what reaches them, and what is left."""

from __future__ import annotations

import base64
import re
import zlib
from types import SimpleNamespace

import pytest
from textual._compositor import ChopsUpdate
from textual.geometry import Region

from r3d_tui.pixels.overlay import _touches, overlay_of
from tests.r3d_tui.pixels.standin import KITTY, MUTE, PLAIN, SIXEL, StandIn, console

FRAME = b"".join((bytes([0, 0, 0]) * 56 + bytes([0, 255, 0]) * 56) for _ in range(112))


def _open(terminal: StandIn) -> None:
    """To the preview."""
    terminal.until("Stages")
    terminal.type(b"b")
    terminal.until("wave")
    terminal.type(b"\r")
    terminal.until("› wave")
    terminal.type(b"\r")
    terminal.until("frame by frame")


def _close(terminal: StandIn) -> None:
    terminal.type(b"q")
    terminal.until("Videos")
    terminal.type(b"\x11")
    assert 0 == terminal.drain()


def test_kitty_gets_each_frame_once_and_then_its_place() -> None:
    """Frames arrive as they are, numbers and base64 alone; what was kept is dropped when the preview closes."""
    with console(KITTY) as terminal:
        _open(terminal)
        terminal.until(b"a=t")
        for _ in range(6):
            terminal.until(b"a=p")
        while terminal.data.count(b"a=t") < 4:  # a slow machine plays on before it has the first
            terminal.until(b"a=p")
        _close(terminal)
        uploads: dict[bytes, bytes] = {}
        for one in terminal.pictures:
            assert re.fullmatch(rb"[a-zA-Z]=[a-zA-Z0-9]+(,[a-zA-Z]=[a-zA-Z0-9]+)*(;[A-Za-z0-9+/=]+)?", one)
            if found := re.match(rb"a=t,f=24,o=z,s=112,v=112,i=(\d+),q=2,m=0;(.*)", one):
                assert found[1] not in uploads
                uploads[found[1]] = zlib.decompress(base64.b64decode(found[2]))
        assert FRAME in uploads.values()
        dropped = {one.split(b"i=")[1].split(b",")[0] for one in terminal.pictures if one.startswith(b"a=d,d=I")}
        assert uploads.keys() == dropped
        places = [one for one in terminal.pictures if one.startswith(b"a=p")]
        assert {b"c=40,r=20"} == {re.search(rb"c=\d+,r=\d+", one)[0] for one in places}  # type: ignore[index]


def test_sixels_lie_over_blank_cells_that_are_drawn_again_at_the_end() -> None:
    """Their size is that of the cells; closing sends the cells, and every byte between is of sixels."""
    with console(SIXEL) as terminal:
        _open(terminal)
        terminal.until(b"\x1bP")
        terminal.until(b"\x1bP")
        assert "▀" not in terminal.screen()
        for one in terminal.pictures:
            assert re.fullmatch(rb'0;1q"1;1;240;240(#\d+;2;\d+;\d+;\d+)+[#0-9!$\-?-~]+', one)
        terminal.type(b"v")
        terminal.until("▀▀▀")
        terminal.type(b"v")
        terminal.until(b"\x1bP")
        _close(terminal)
        after = terminal.data[terminal.data.rindex(b"\x1bP") :]
        lines = {int(line) for line in re.findall(rb"\x1b\[(\d+);\d+H", after[: after.index(b"\x1b[?1049l")])}
        assert set(range(4, 22)) <= lines


@pytest.mark.parametrize("kind", [PLAIN, MUTE])
def test_a_terminal_without_pictures_shows_cells_and_nothing_of_the_questions(kind: str) -> None:
    """Not even one that prints what it does not know; keys are answered meanwhile, and no answer is taken for one."""
    with console(kind) as terminal:
        _open(terminal)
        terminal.until("▀▀▀")
        terminal.type(b"n")
        terminal.until("2/2")
        while "Gi=31" in terminal.screen(strings=True):
            terminal.until(b"\x1b[")
        _close(terminal)
        assert [] == terminal.pictures
        assert 1 == terminal.data.count(b"a=q")


def test_a_slow_link_keeps_to_cells() -> None:
    """What it carries is measured, and the clip rests; keys play it and ask for pixels all the same."""
    with console(KITTY, "slow") as terminal:
        _open(terminal)
        terminal.until("v pixels")
        terminal.until("/4")  # before that there is nothing to play
        terminal.until("Space play")
        terminal.type(b" ")
        terminal.until("2/4")
        assert [] == terminal.pictures
        terminal.type(b"v")
        terminal.until(b"a=p")
        _close(terminal)


def _app(**facts: bool) -> SimpleNamespace:
    told = {"is_headless": False, "is_web": False, "no_color": False, "ascii_only": False, **facts}
    return SimpleNamespace(overlay=None, put=None, answered=None, **told)


@pytest.mark.parametrize("fact", ["is_headless", "is_web", "no_color", "ascii_only"])
async def test_where_cells_are_wanted_nothing_is_asked(fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a browser, without colours, in ASCII."""
    for name in ("TMUX", "STY", "ZELLIJ", "INSIDE_EMACS", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert overlay_of(_app()) is not None  # type: ignore[arg-type]
    assert overlay_of(_app(**{fact: True})) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("TMUX", "/tmp/x,1,0"), ("STY", "1.a"), ("TERM", "screen-256color"), ("TERM", "tmux"), ("TERM", "linux")],
)
async def test_where_the_questions_would_break_nothing_is_asked(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside tmux and screen, and on Linux's own console."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    assert overlay_of(_app()) is None  # type: ignore[arg-type]


def test_a_picture_is_touched_where_cells_are_drawn_over_it() -> None:
    """Lines and columns that meet; a whole picture always does."""
    area = Region(4, 2, 10, 5)
    for span, expected in (
        ((1, 0, 80), False),
        ((2, 0, 4), False),
        ((2, 0, 5), True),
        ((6, 13, 20), True),
        ((6, 14, 20), False),
        ((7, 0, 80), False),
    ):
        assert expected == _touches(ChopsUpdate([], [span], []), area)
    assert _touches("the whole", area)
    assert not _touches(None, area)
