"""Waiting for what threads do under a console that a test drives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot


async def until(pilot: Pilot[Any], fits: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until it fits; a test that waits in vain fails here."""
    ends = asyncio.get_running_loop().time() + seconds
    while not fits():
        assert asyncio.get_running_loop().time() < ends, "waited in vain"
        await pilot.pause(0.02)
