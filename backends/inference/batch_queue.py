"""The batches of a run that no device has: new ones, and those that came back. The scheduler of leases asks for them.

A batch that failed `FAILURES` devices is held back. One that is in flight at two devices counts once.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

from backends.core.messages import N_, Line, StageError, line
from backends.inference.batch_layout import Batch

FAILURES = 2
"""Devices that a batch may fail before it is held back."""

Failures = tuple[tuple[str, Line], ...]
"""(device, reason)"""


class Held(Struct, frozen=True):
    """A batch that failed its devices, and how."""

    batch: Batch
    failures: Failures


def held_error(held: Sequence[Held]) -> StageError:
    """What to raise once all else is computed."""
    text = N_("{batches} batches failed every device they were given to, the first with clips {clips}: {reasons}")
    reasons = tuple(line("{device}: {reason}", device=one, reason=reason) for one, reason in held[0].failures)
    hint = N_("all other scores are kept: run the stage again, which computes only these")
    return StageError(text, hint=hint, batches=len(held), clips=held[0].batch.clips, reasons=reasons)


class BatchQueue:
    """`total` is the number of batches that `fresh` gives; `is_open_ended`: `extend` brings more."""

    def __init__(self, fresh: Iterator[Batch], total: int, *, is_open_ended: bool) -> None:
        self.held: list[Held] = []
        self.is_open_ended = is_open_ended
        self._fresh, self._left = fresh, total
        self._later: deque[Batch] = deque()
        """What `extend` brought."""
        self._returned: deque[Batch] = deque()
        self._failures: dict[int, Failures] = {}
        self._copied: dict[int, bool] = {}
        """Batches in flight at two devices, by their id: whether one has answered."""
        self._splits = 1 << 40 if is_open_ended else total

    def __len__(self) -> int:
        return self._left + len(self._returned)

    def extend(self, batches: Sequence[Batch], *, is_last: bool) -> None:
        self._later.extend(batches)
        self._left += len(batches)
        self.is_open_ended = not is_last

    def next(self, device: str, *, has_others: bool) -> Batch | None:
        """What the device is to compute; what it has failed already is left to the others where there are any."""
        for batch in self._returned:
            if not (has_others and device in (name for name, _ in self._failures.get(batch.id, ()))):
                self._returned.remove(batch)
                return batch
        if self._left:
            self._left -= 1
            return next(self._fresh, None) or self._later.popleft()
        return None

    def give_back(self, device: str, flight: Sequence[Batch], blamed_for: Line | None) -> None:
        """What a lost device had goes to the front; the first of it may be to blame, and is held back in the end."""
        back = [batch for batch in flight if not self.leaves_copy(batch)]
        if back and back[0] is flight[0] and blamed_for is not None:
            failures = self.add_failure(back[0], device, blamed_for)
            if len(failures) >= FAILURES:
                self.held.append(Held(back.pop(0), failures))
        self._returned.extendleft(reversed(back))

    def retry(self, batch: Batch) -> None:
        self._returned.appendleft(batch)

    def split(self, batch: Batch) -> None:
        """Its clips come next, one by one."""
        for clip in reversed(batch.clips):
            self._splits += 1
            self._returned.appendleft(Batch(self._splits, (clip,)))

    def add_failure(self, batch: Batch, device: str, reason: Line) -> Failures:
        """How the batch has failed by now."""
        self._failures[batch.id] = (*self._failures.get(batch.id, ()), (device, reason))
        return self._failures[batch.id]

    def settle(self, batch: Batch) -> Failures:
        """The batch has its scores; how it had failed before."""
        if batch.id in self._copied:
            self._copied[batch.id] = True
        return self._failures.pop(batch.id, ())

    def copy(self, batch: Batch) -> None:
        """A second device gets it too."""
        self._copied[batch.id] = False

    def is_copied(self, batch: Batch) -> bool:
        return batch.id in self._copied

    def has_scores(self, batch: Batch) -> bool:
        """Of a batch in flight at two devices: one has answered."""
        return self._copied.get(batch.id, False)

    def leaves_copy(self, batch: Batch) -> bool:
        """One device gives the batch up: True where a second has it, or has given its scores."""
        if batch.id not in self._copied:
            return False
        if not self._copied[batch.id]:
            del self._copied[batch.id]  # the other device has it alone now
        return True
