"""Answers of the terminal picked out of what is typed, wherever the pieces end."""

from __future__ import annotations

import itertools

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from r3d_tui.pixels.answers import Sieve

KITTY = "\x1b_Gi=31;OK\x1b\\\x1b[?62;c"
SIXEL = "\x1b[?1;0;256S\x1b[6;18;9t\x1b[?63;1;2;4;6;9;15;16;22;28c"
"""Of kitty 0.26 and, in the order of the questions, of foot 1.13 and xterm 379."""


def _keys(pieces: list[str]) -> tuple[list[str], Sieve]:
    """What Textual takes for keys, where each piece comes before an escape would count as the key."""
    sieve, parser = Sieve(), XTermParser()
    found = []
    for piece in pieces:
        if rest := sieve.typed(piece):
            found += [event.key for event in parser.feed(rest) if isinstance(event, events.Key)]
    parser._timeout_time = 0.0 if parser._timeout_time is not None else None
    found += [event.key for event in parser.tick() if isinstance(event, events.Key)]
    return found, sieve


@pytest.mark.parametrize("text", [KITTY, SIXEL], ids=["kitty", "sixel"])
@pytest.mark.parametrize("pieces", [2, 3])
def test_answers_in_pieces_are_no_keys(text: str, pieces: int) -> None:
    """Every way to cut them, between a key before and a key behind."""
    whole = "j" + text + "k"
    for cuts in itertools.combinations(range(len(whole) + 1), pieces - 1):
        parts = [whole[a:b] for a, b in itertools.pairwise((0, *cuts, len(whole)))]
        keys, sieve = _keys(parts)
        assert (parts, ["j", "k"]) == (parts, keys)
        assert sieve.answers.complete


def test_answers_are_read() -> None:
    """Kitty's yes, attributes, registers for colours, the size of a cell."""
    answers = _keys([KITTY])[1].answers
    assert (True, frozenset({62})) == (answers.kitty, answers.attributes)
    answers = _keys([SIXEL])[1].answers
    assert (False, 256, (9, 18)) == (answers.kitty, answers.colours, answers.cell)
    assert 4 in answers.attributes
    assert not _keys(["\x1b_Gi=31;ENOTSUP:no\x1b\\\x1b[?62;c"])[1].answers.kitty


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b", ["escape"]),
        ("\x1b[A", ["up"]),
        ("\x1b[6~", ["pagedown"]),
        ("\x1b[6;5~", ["ctrl+pagedown"]),
        ("a\x1b[<0;3;4Mb", ["a", "b"]),
        ("\x1b[?2026;2$yx", ["x"]),
        ("片\x1b[200~c\x1b[201~", ["片"]),
    ],
)
def test_what_is_typed_stays(typed: str, keys: list[str]) -> None:
    """Keys, the mouse and other reports while an answer is out, and no answer after the last."""
    assert keys == _keys([typed])[0]
    assert keys == _keys(list(typed))[0]
    sieve = Sieve()
    sieve.typed(KITTY)
    assert typed == sieve.typed(typed)


def test_escape_is_escape_while_an_answer_comes() -> None:
    """The key, pressed right before."""
    assert ["escape"] == _keys(["\x1b", KITTY])[0]
