"""Questions to the terminal under a Textual application, one at a time, and their answers before Textual sees them."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from r3d_tui.pixels.answers import FENCE, Answers, Sieve

Then = Callable[[Answers | None, float], None]
"""Called with the answers, None where they did not come in time, and the seconds that they took."""


class Asking:
    """One application's. Answers that come late are kept from Textual too: it would take them for keys."""

    def __init__(self, write: Callable[[str], None], answered: Callable[[], None]) -> None:
        """`answered` is called whenever no answer is out any more. RuntimeError outside an event loop."""
        self._write, self._answered = write, answered
        self._loop = asyncio.get_running_loop()
        self._sieve: Sieve | None = None
        self._then: Then | None = None
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """An answer is out, and may be for ever."""
        return self._sieve is not None

    @property
    def since(self) -> float:
        """Seconds for which an answer has been out; infinite where none is."""
        return self._loop.time() - self._began if self.busy else math.inf

    def ask(self, text: str, then: Then, limit: float) -> None:
        """Write a text and wait, `limit` seconds at most, until the terminal has come as far. Only while not busy."""
        self._sieve, self._then = Sieve(), then
        _listen(self)
        self._began = self._loop.time()
        self._timer = self._loop.call_later(limit, self._late)
        self._context = contextvars.copy_context()
        self._write(text + FENCE)

    def typed(self, data: str) -> str:
        """What of the input is no answer; called in the thread that reads it."""
        if (sieve := self._sieve) is None:
            return data
        told, rest = sieve.answers.complete, sieve.typed(data)
        if sieve.answers.complete and not told:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._take, sieve.answers, context=self._context)
        return rest

    def _take(self, answers: Answers) -> None:
        self._sieve = None  # not before: who asked next would be given these answers
        self._tell(answers)
        if not self.busy:
            self._answered()

    def _late(self) -> None:
        self._tell(None)

    def _tell(self, answers: Answers | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        then, self._then = self._then, None
        if then is not None:
            then(answers, self._loop.time() - self._began)


_listener: Asking | None = None


def _listen(asking: Asking) -> None:
    """Let it see what comes in first. Textual 8.2 has no place for that: the parser of its input is wrapped, once."""
    global _listener
    from textual._parser import Parser

    first, _listener = _listener is None, asking
    if not first:
        return
    plain = Parser.feed

    def feed(self: Parser[Any], data: str) -> Iterable[Any]:
        if data and _listener is not None:
            data = _listener.typed(data)
            if not data:  # which would mean the end
                return ()
        return plain(self, data)

    Parser.feed = feed  # type: ignore[method-assign]
