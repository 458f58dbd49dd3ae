"""Tests of `backends.ascend.acl_errors` and its catalogue."""

from __future__ import annotations

import pytest

from backends.ascend.acl_errors import Code, catalogue, entries, fault, find


@pytest.mark.parametrize(
    ("call", "code", "course", "blame"),
    [
        ("mdl.execute", 507011, "retry", True),
        ("mdl.execute", 507014, "retry", True),
        ("mdl.execute", 507015, "retry", True),
        ("mdl.execute", 507018, "retry", True),
        ("mdl.execute", 507010, "never", False),
        ("rt.set_device", 507033, "never", False),
        ("mdl.execute", 507053, "never", False),
        ("mdl.execute", 507054, "never", False),
        ("mdl.execute", 507056, "never", False),
        ("mdl.execute", 507899, "never", False),
        ("mdl.execute", 507901, "never", False),
        ("rt.malloc", 207018, "never", False),
        ("mdl.execute", 145000, "never", False),
        ("rt.memcpy", 107000, "never", False),
        ("mdl.execute", 507012, "again", True),
        ("mdl.execute", 512345, "again", True),
        ("mdl.execute", -1, "again", True),
    ],
)
def test_a_code_says_what_the_chip_is_worth(call: str, code: int, course: str, blame: bool) -> None:
    """As the table of codes suggests: never again, one new process at once, or one when no other chip is left."""
    error = fault(call, code)
    assert (course, blame) == (error.policy, error.blame)
    assert str(error.reason).startswith(f"{call} failed ({code}): ")
    assert error.hint.template


def test_the_call_decides_where_a_code_means_two_things() -> None:
    """A refused parameter is the .om's fault when it is loaded, and ours otherwise."""
    assert "the .om cannot be loaded" in find("mdl.load_from_file", 145000).cause
    assert "the call was refused" in find("mdl.execute", 145000).cause
    assert "heartbeat" in find("mdl.load_from_file", 507010).cause


def test_causes_and_fixes_hold_nothing_to_fill_in() -> None:
    """They are messages without facts."""
    assert "{" not in "".join(entry.cause + entry.fix for entry in catalogue())


@pytest.mark.parametrize(
    "text",
    [
        '[[code]]\ncode = ["1"]\ncause = "a"\nfix = "c"\ncourse = "maybe"',
        '[[code]]\ncause = "a"\nfix = "c"',
    ],
)
def test_an_incomplete_entry_is_named(text: str) -> None:
    """By its number, with what is missing."""
    with pytest.raises(ValueError, match="code 1 of the catalogue"):
        entries(text, "code", Code)
