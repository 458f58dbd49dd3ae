"""Whole outputs of atc, as published, with what they mean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backends.ascend.atc_errors import diagnose

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOGS = tomllib.loads(Path(__file__).with_name("atc_logs.toml").read_text(encoding="utf-8"))["log"]


@pytest.mark.parametrize("log", [log for log in LOGS if log["cause"]], ids=lambda log: log["name"])
def test_a_published_failure_has_its_code_cause_and_mend(log: dict[str, str]) -> None:
    """The code that it prints, else none, and words that say why and what to do."""
    trouble = diagnose(log["text"])
    assert trouble is not None
    assert log["code"] == (trouble.code or "")
    assert log["cause"].lower() in str(trouble.cause).lower()
    assert log["fix"].lower() in str(trouble.fix).lower()
    assert trouble.message


@pytest.mark.parametrize("log", [log for log in LOGS if not log["cause"]], ids=lambda log: log["name"])
def test_a_published_success_is_no_trouble(log: dict[str, str]) -> None:
    """With its dots, its warnings and what Python printed before."""
    assert diagnose(log["text"]) is None
