"""The catalogue of what tools print, and how its entries match."""

from __future__ import annotations

import string

import pytest

from backends.ascend.acl_errors import entries
from backends.ascend.tool_errors import Evidence, ToolError, catalogue, is_onnx_operator


def test_what_is_filled_in_is_what_the_entry_finds() -> None:
    """Curly brackets name groups of `match`; sentences are on one line, a fix ends in a full stop."""
    assert len(catalogue()) > 60
    for entry in catalogue():
        groups = set(entry.match.groupindex) if entry.match else set()
        for text in (entry.cause, entry.fix):
            assert {name for _, name, _, _ in string.Formatter().parse(text) if name is not None} <= groups
            assert "\n" not in text
        assert (False, True) == (entry.cause.endswith("."), entry.fix.endswith("."))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[error]]\ncode = ["E1"]\ncause = "a"\n', "error 1 of the catalogue: .*missing required field `fix`"),
        ('[[error]]\ncause = "a"\nfix = "b"\n', "code, text, any, match or status is missing"),
        ('[[error]]\ncauses = "x"\ntext = ["a"]\ncause = "a"\nfix = "b"\n', "unknown field `causes`"),
    ],
)
def test_an_incomplete_entry_is_named(text: str, words: str) -> None:
    """A person who extends the catalogue is told which entry lacks what."""
    with pytest.raises(ValueError, match=words):
        entries(text, "error", ToolError)


def test_an_entry_matches_where_all_that_it_names_is_so() -> None:
    """Text, any, code, status and the tool that printed it; a group leaves out inner errors."""
    (entry,) = entries(
        '[[error]]\ncode = ["EZ????"]\ntext = ["a"]\nany = ["b", "c"]\nstatus = [1]\n'
        'tool = "run"\ncause = "x"\nfix = "y"',
        "error",
        ToolError,
    )

    def fits(text: str = "a c", code: str = "EZ1001", status: int = 1, tool: str = "run") -> bool:
        return entry.matched(Evidence(text, text, (code,), {code: text}, status, tool)) is not None

    assert fits()
    assert not any([fits("a"), fits("b c"), fits(code="EZ9001"), fits(code="EE1001"), fits(status=2), fits(tool="atc")])


def test_operators_of_onnx_are_known_by_their_opset() -> None:
    """As the package onnx says."""
    assert [True, False, False] == [
        is_onnx_operator("Conv", 11),
        is_onnx_operator("GridSample", 11),
        is_onnx_operator("MMCVModulatedDeformConv2d", 11),
    ]
