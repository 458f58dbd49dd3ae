"""Foreign text becomes harmless."""

from __future__ import annotations

import random
import unicodedata

import pytest

from r3d_tui.text.rows import safe, safe_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
        ("a\x1b]0;title\x1b\\b", "ab"),
        ("\x9b31mred", "red"),
        ("gp\u202egpj.exe", "gpgpj.exe"),
        ("a\tb\nc", "a    b c"),
        ("\ud800x\x00y", "xy"),
        ("[/data][@click=app.quit]", "[/data][@click=app.quit]"),
        ("视频", "视频"),
        ("e" + "\u0301" * 9, "é" + "\u0301" * 2),
    ],
)
def test_controls_go_and_words_stay(text: str, expected: str) -> None:
    """Escapes, C1, bidi, surrogates and piles of marks are removed; brackets and Chinese are left alone."""
    assert expected == safe(text)


def test_whatever_comes_nothing_is_left_that_a_terminal_obeys() -> None:
    """Of random text no control, format or surrogate character remains, and cleaning twice changes nothing."""
    rng = random.Random(7)
    alphabet = [
        *map(chr, range(0xA0)),
        "\u202e",
        "\u2066",
        "\ufeff",
        "\ud83d",
        "\U000e0041",
        "视",
        "\u0301",
        "[",
        "]",
        "\\",
    ]
    for _ in range(3000):
        cleaned = safe("".join(rng.choices(alphabet, k=rng.randrange(30))))
        assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert cleaned == safe(cleaned)


def test_a_progress_bar_keeps_its_last_state() -> None:
    """A line that was rewritten with carriage returns shows what was written last."""
    assert ["100 %", "next", ""] == safe_lines("10 %\r50 %\r100 %\r\nnext\n")
