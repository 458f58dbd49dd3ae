"""Which files go to which chip: a share each, what a lost chip leaves to the others. No process, no clock, no disk.

A chip is free, busy, out (taken out by the user) or retired (with its reason). A file that failed two chips by itself
is held back and named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from backends.core.messages import Line
from backends.inference.batch_layout import Batch

FAILURES = 2
"""Chips, or attempts of a single chip, that a file may fail before it is held back."""
RESTARTS = 2
"""How often a chip is tried again where none is left."""


class _Chip(Struct):
    state: Literal["free", "busy", "out", "retired"] = "free"
    restarts: int = RESTARTS
    again: bool = True
    leaving: bool = False
    left_out: bool = False
    """Not chosen for the run, so nobody waits for it."""
    share: tuple[Batch, ...] = ()


class Held(Struct, frozen=True):
    """A file that failed its chips, and how."""

    batch: Batch
    failures: tuple[tuple[str, Line], ...]
    """(chip, reason)"""


class Shares(Struct):
    """The state; the first three are given, the rest follows."""

    chips: Iterable[str]
    batches: Iterable[Batch]
    left_out: Mapping[str, Line] = field(default_factory=dict)
    """Chips that begin outside of the run, and why; the user may put them in."""
    held: list[Held] = field(default_factory=list)
    _chips: dict[str, _Chip] = field(default_factory=dict)
    _queue: deque[Batch] = field(default_factory=deque)
    _failures: dict[int, tuple[tuple[str, Line], ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._chips = {chip: _Chip() for chip in self.chips}
        for name in self.left_out:
            self._chips[name].state, self._chips[name].left_out = "out", True
        self._queue = deque(self.batches)

    @property
    def finished(self) -> bool:
        """Nothing is left to hand out and nothing is at a chip."""
        return not self._queue and not any(chip.state == "busy" for chip in self._chips.values())

    @property
    def stuck(self) -> bool:
        """Something is left and no chip will ever take it: all are retired for good."""
        chips = self._chips.values()
        return not self.finished and all(c.left_out or (c.state == "retired" and not _worth(c)) for c in chips)

    @property
    def paused(self) -> bool:
        """Something is left, and only a chip that the user took out could take it."""
        chips = [chip for chip in self._chips.values() if not chip.left_out]
        states = {chip.state for chip in chips if chip.state != "retired" or _worth(chip)}
        return bool(self._queue) and states == {"out"}

    @property
    def waiting(self) -> int:
        """Files that are not at a chip."""
        return len(self._queue)

    @property
    def retired(self) -> int:
        """Chips that were lost on the way."""
        return sum(chip.state == "retired" for chip in self._chips.values())

    def takes_part(self, chip: str) -> bool:
        """It is neither out nor retired."""
        return self._chips[chip].state in ("free", "busy")

    def free(self) -> list[str]:
        """Chips that could take a share, where there is one; each is asked for with `take`."""
        return [name for name, chip in self._chips.items() if chip.state == "free" and self._fit(name)]

    def wanted(self, chip: str) -> int:
        """How many files the chip's share is: as many as each of the free chips would get."""
        return min(-(-len(self._queue) // max(1, len(self.free()))), len(self._fit(chip)))

    def take(self, chip: str, files: int) -> tuple[Batch, ...]:
        """Hand out so many files; the chip is busy with them then."""
        share = tuple(self._fit(chip)[:files])
        for batch in share:
            self._queue.remove(batch)
        self._chips[chip].state, self._chips[chip].share = "busy", share
        return share

    def done(self, chip: str, unfinished: Sequence[Batch] = ()) -> None:
        """The chip's run succeeded, or it was taken out: what is unfinished goes back, and nobody is blamed."""
        self._chips[chip].state = "out" if self._chips[chip].leaving else "free"
        self._chips[chip].leaving = False
        self._queue.extendleft(reversed(unfinished))

    def lost(
        self, chip: str, reason: Line, unfinished: Sequence[Batch], blamed: Sequence[Batch], *, again: bool
    ) -> None:
        """The chip's run failed and it is retired: the `blamed` of the unfinished count a failure each."""
        mine = self._chips[chip]
        mine.state, mine.again, mine.leaving = "retired", again, False
        back = []
        for batch in unfinished:
            if batch in blamed:
                self._failures[batch.id] = (*self._failures.get(batch.id, ()), (chip, reason))
            if len(self._failures.get(batch.id, ())) >= FAILURES:
                self.held.append(Held(batch, self._failures[batch.id]))
            else:
                back.append(batch)
        self._queue.extendleft(reversed(back))

    def bring_back(self) -> list[str]:
        """Retired chips that are tried again because none is left; empty where there is no need."""
        chips = [chip for chip in self._chips.values() if not chip.left_out]
        if not self._queue or any(chip.state in ("free", "busy", "out") for chip in chips):
            return []
        back = [name for name, chip in self._chips.items() if chip.state == "retired" and _worth(chip)]
        for name in back:
            self._chips[name].restarts -= 1
            self._chips[name].state = "free"
        return back

    def leave(self, chip: str) -> bool:
        """The user takes the chip out; True where its run must be ended for that (then say `done`)."""
        mine = self._chips.get(chip)
        if mine is None or mine.state in ("out", "retired"):
            return False
        mine.leaving = mine.state == "busy"
        mine.state = "busy" if mine.leaving else "out"
        return mine.leaving

    def enter(self, chip: str) -> bool:
        """The user puts the chip back; True where that changes something."""
        mine = self._chips.get(chip)
        if mine is None or mine.state not in ("out", "retired"):
            return False
        mine.state, mine.again, mine.left_out = "free", True, False
        return True

    def _fit(self, chip: str) -> list[Batch]:
        """Files in the queue that the chip may have: not those that it failed, while others could take them."""
        others = any(name != chip and c.state in ("free", "busy") for name, c in self._chips.items())
        if not others:
            return list(self._queue)
        return [b for b in self._queue if chip not in (name for name, _ in self._failures.get(b.id, ()))]


def _worth(chip: _Chip) -> bool:
    return chip.again and chip.restarts > 0
