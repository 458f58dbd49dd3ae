"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.device.telemetry import no_telemetry

no_telemetry()  # OpenVINO would fork the test process and call home

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data" / "golden").is_dir():
        pytest.skip("the reference data (../shared) is not here")
    return folder
