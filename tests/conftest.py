"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from backends.device.lifeline import no_telemetry

no_telemetry()  # OpenVINO would fork the test process and call home

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

ROOT = Path(__file__).resolve().parents[1]
LONGEST_ID, LONGEST_PART = 80, 26
"""Characters of a parametrised id, and of a text in it."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data" / "golden").is_dir():
        pytest.skip("the reference data (../shared) is not here")
    return folder


def pytest_make_parametrize_id(val: object) -> str | None:
    """The beginning of a long text; pytest numbers those that are alike."""
    if not isinstance(val, str | bytes):
        return None
    text = ascii(val).removeprefix("b")[1:-1]
    return None if len(text) <= LONGEST_PART else f"{text[: LONGEST_PART - 3]}..."


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No parametrised id is longer than a line of a terminal."""
    long = [item.nodeid[:200] for item in items if len(item.nodeid.partition("[")[2]) > LONGEST_ID + 1]
    if long:
        raise pytest.UsageError(f"parametrised ids of more than {LONGEST_ID} characters: {long}")
