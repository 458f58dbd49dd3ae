"""How clips that are still to do are packed into batches: an iterator over clip numbers, and no store behind it."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Literal

from msgspec import Struct

Layout = Literal["packed", "guide"]


class Batch(Struct, frozen=True):
    """Clips that are computed together, in slot order; slots beyond them are padding."""

    id: int
    clips: tuple[int, ...]


class ClipSpan(Struct, frozen=True):
    """The clips of one video: `clips` numbers from `first` on."""

    first: int
    clips: int


class Spans:
    """The clips of many videos in the order of clip numbers: eight bytes a video."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        """Of the first clip and the number of clips of each, in any order."""
        self.firsts, self.counts = array("I"), array("I")
        ordered, last = True, 0
        for first, clips in spans:
            self.firsts.append(first)
            self.counts.append(clips)
            ordered, last = ordered and first >= last, first
        if not ordered:
            pairs = sorted(zip(self.firsts, self.counts, strict=True), key=itemgetter(0))
            self.firsts, self.counts = (array("I", column) for column in zip(*pairs, strict=True))

    def __iter__(self) -> Iterator[ClipSpan]:
        return map(ClipSpan, self.firsts, self.counts)


def batches(
    spans: Iterable[ClipSpan], size: int, layout: Layout, done: Callable[[int], bool] = lambda _: False
) -> Iterator[Batch]:
    """Batches of the clips that are not `done`, made one at a time.

    `packed`: full batches across videos, only the last one short: 850 of ten for HMDB51's validation. `guide`: the
    clips of one video to a batch and the rest padding, as the guide's files: 1,530 of ten.
    """
    rows = (tuple(n for n in range(span.first, span.first + span.clips) if not done(n)) for span in spans)
    groups = _packed(rows, size) if layout == "packed" else _apart(rows, size)
    return (Batch(number, clips) for number, clips in enumerate(groups))


def repeated(spans: Iterable[ClipSpan], size: int, layout: Layout, times: int, first_id: int) -> Iterator[Batch]:
    """Batches of all clips again, `times` over, numbered from `first_id`: for a throughput, their scores are known."""
    groups = (batch.clips for _ in range(times) for batch in batches(spans, size, layout))
    return (Batch(number, clips) for number, clips in enumerate(groups, first_id))


def count(spans: Iterable[ClipSpan], size: int, layout: Layout, done: Callable[[int], bool] = lambda _: False) -> int:
    left = (sum(not done(n) for n in range(span.first, span.first + span.clips)) for span in spans)
    if layout == "packed":
        return -(-sum(left) // size)
    return sum(-(-n // size) for n in left)


class Packer:
    """Clips of many videos, put together to full batches as they come."""

    def __init__(self, size: int) -> None:
        self._size, self._held = size, tuple[int, ...]()

    def add(self, clips: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """The batches that are full now."""
        self._held += clips
        while len(self._held) >= self._size:
            full, self._held = self._held[: self._size], self._held[self._size :]
            yield full

    def rest(self) -> Iterator[tuple[int, ...]]:
        """What is left, a short batch at most."""
        if self._held:
            yield self._held
        self._held = ()


def _packed(rows: Iterator[tuple[int, ...]], size: int) -> Iterator[tuple[int, ...]]:
    packer = Packer(size)
    for row in rows:
        yield from packer.add(row)
    yield from packer.rest()


def _apart(rows: Iterator[tuple[int, ...]], size: int) -> Iterator[tuple[int, ...]]:
    for row in rows:
        for at in range(0, len(row), size):
            yield row[at : at + size]
