"""Questions to the terminal: whose answers are whose."""

from __future__ import annotations

import asyncio
import threading

from r3d_tui.pixels.answers import Answers
from r3d_tui.pixels.asking import Asking


async def test_answers_go_to_who_asked_even_where_the_loop_hears_of_them_late() -> None:
    """They are read in a thread; until the loop has passed them on, nobody else may ask."""
    told: list[tuple[str, Answers | None]] = []
    asking = Asking(lambda _: None, lambda: None)
    asking.ask("", lambda answers, _: told.append(("first", answers)), 5.0)
    rest: list[str] = []
    reader = threading.Thread(target=lambda: rest.append(asking.typed("a\x1b[?62;4cb")))
    reader.start()
    reader.join()  # the loop has not had its turn since
    assert asking.busy
    assert "x" == asking.typed("x")
    await asyncio.sleep(0)
    assert not asking.busy
    assert ["ab"] == rest
    ((who, answers),) = told
    assert "first" == who
    assert answers is not None
    assert {62, 4} == answers.attributes
