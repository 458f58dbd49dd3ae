"""Fixtures of the device process's tests."""

from __future__ import annotations

from tests.inference.conftest import model, store

__all__ = ["model", "store"]
