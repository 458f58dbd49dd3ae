"""A run as its events make it: each event is folded at once, and journalled with the others of the same moment.

On a full disk a reserve is given back, which has room for why the run ended; after that nothing else is written.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from backends.core import events as ev
from backends.core.files import is_full
from backends.core.run_state import Run, fold
from backends.engine.journal import Journal, Reserve

COMMIT_S = 0.075
"""Events are committed in batches of this length."""
LAST_WORDS = (ev.StageFinished, ev.StageFailed, ev.StageStopped, ev.RunFinished)
"""What is written down even where the disk is full."""


class RunRecord:
    """The writer of one run's journal. Not for threads."""

    def __init__(self, journal: Path, reserve: Path, when_full: Callable[[], None]) -> None:
        """`when_full` is called once, before the reserve is given back: it ends whatever would fill that space.

        OSError where the disk has no space for the reserve.
        """
        self._reserve = Reserve(reserve)
        self._reserve.take()  # first: what begins without it could not say why it ended
        self._journal = Journal(journal)
        self._when_full = when_full
        self._pending: list[tuple[float, ev.Event]] = []
        self._dirty = asyncio.Event()
        self.run = self._journal.state() or Run()
        """After every event, journalled or not."""
        self.is_full = False
        """The disk has been full: the run is to end."""

    def say(self, event: ev.Event) -> None:
        """Fold an event now; journal it with the next commit, unless it is a tick."""
        at = time.time()
        self.run = fold(self.run, event, at)
        if not isinstance(event, ev.TICKS):
            self._pending.append((at, event))
        self._dirty.set()

    def commit(self) -> None:
        """Make all that was said durable. On a full disk the last of it alone, once the run has ended."""
        self._dirty.clear()
        pending, self._pending = self._pending, []
        if self.is_full:  # what else is still coming in is in the folded state
            pending = [(at, event) for at, event in pending if isinstance(event, LAST_WORDS)]
            if not any(isinstance(event, ev.RunFinished) for _, event in pending):
                self._pending = pending  # one commit has to do: each writes the whole state into the space that is left
                return
        try:
            self._journal.commit(pending, self.run)
        except OSError as error:
            if self.is_full or not is_full(error):
                raise
            self.is_full = True
            self._when_full()
            self._reserve.give_back()
            self._pending = pending
            self.commit()

    async def commit_often(self) -> None:
        """Commit what is said, for as long as the task lives."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(COMMIT_S)
            if self._dirty.is_set():
                self.commit()

    def close(self) -> None:
        """The run has ended, and its end is committed."""
        self._journal.close(finished=True)
