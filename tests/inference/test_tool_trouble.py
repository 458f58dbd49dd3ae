"""What failed runs of ais_bench, msame and pyACL mean, by words that people published, and the catalogue of words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from backends.ascend.tool_diagnosis import diagnose
from backends.ascend.tool_errors import catalogue, parse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOGS = tomllib.loads(Path(__file__).with_name("tool_logs.toml").read_text(encoding="utf-8"))["log"]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["name"])
def test_a_published_failure_has_its_reason_and_mend(log: dict[str, Any]) -> None:
    """With its code of pyACL where it tells one, and whether a new process may do better."""
    found = diagnose(log["status"], log["text"])
    assert log["reason"].lower() in str(found.reason).lower()
    assert log["fix"].lower() in str(found.fix).lower()
    assert log["again"] == found.again
    assert str(log.get("code", "")) in str(found.reason)


def test_numbers_that_are_no_codes_are_not_taken_for_one() -> None:
    """Process ids, sizes and times beside the word ERROR; a warning about pkg_resources is no failure of its own."""
    words = "[ERROR] RUNTIME(205664,python):2024-10-22-17:51:37.933.319 [runtime.cc:3736]205664 Retain: size=507011\n"
    words += "UserWarning: pkg_resources is deprecated as an API\n"
    assert "Retain: size=507011" == str(diagnose(1, words).reason)


def test_causes_and_fixes_hold_nothing_to_fill_in() -> None:
    """They are messages without facts, on one line."""
    assert set() == {sign for entry in catalogue() for sign in entry.cause + entry.fix} & set("{}\n")


def test_an_incomplete_entry_is_named() -> None:
    """A person who extends the catalogue is told which entry lacks what."""
    with pytest.raises(ValueError, match="entry 1 of the catalogue of words: fix is missing"):
        parse('[[said]]\ntext = ["a"]\ncause = "a"\n')
    with pytest.raises(ValueError, match="text, any or status is missing"):
        parse('[[said]]\ncause = "a"\nfix = "b"\n')
