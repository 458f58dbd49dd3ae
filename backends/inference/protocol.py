"""What crosses between the stage and the process of a device: one JSON line each, scores as raw floats behind theirs.

Down the pipe goes one `Setup`, then `Order`s; up come `Answer`s. Both sides decode with the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backends.core.codec import dumps, loads
from backends.core.messages import Line
from backends.core.model_io import Course, DeviceSpec

CLIPS = "backends.data.clip_store:ClipStore"
"""Where a device reads its clips: a class with `open(path)` and `batch(numbers, out=..., pad_to=...)`."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first line: what the process is."""

    parent: int
    """Process id of the stage; without it the process ends."""
    runtime: str
    """The runtime's entry, `package.module:Class`."""
    model: Path
    store: Path
    batch: int
    device: DeviceSpec
    clips: str = CLIPS


@dataclass(frozen=True, slots=True)
class Order:
    """Compute these clips under this lease; or, `close`, let go of everything and end after what came before."""

    lease: int = 0
    clips: tuple[int, ...] = ()
    close: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says. After `scores` come `rows` x `classes` float32, little-endian."""

    say: Literal["started", "ready", "scores", "refused", "failed", "closed"]
    lease: int = 0
    rows: int = 0
    classes: int = 0
    seconds: float = 0.0
    """In compute; of `ready`: of the warm-up batch."""
    waited_s: float = 0.0
    """How long the compute thread had waited for the clips."""
    version: str = ""
    reason: Line = Line("")
    hint: Line = Line("")
    exit_code: int = 0
    """Of `failed`: 2 and 3 as in the error tree (no other device will do better), 1 where the device failed."""
    course: Course = "again"
    """Of `failed`, here and below: what the device is worth."""
    blame: bool = True


@dataclass(slots=True)
class Frames:
    """Cuts a stream of bytes into answers and the bytes of their scores, however the pipe delivered them."""

    _held: bytearray = field(default_factory=bytearray)
    _head: Answer | None = None

    def feed(self, data: bytes) -> Iterator[tuple[Answer, bytes]]:
        """The answers that are whole now. Raises DecodeError where the stream is not ours."""
        self._held += data
        while True:
            if self._head is None:
                text, end, rest = self._held.partition(b"\n")
                if not end:
                    return
                self._held = rest
                self._head = to_answer(bytes(text))
            size = self._head.rows * self._head.classes * 4 if self._head.say == "scores" else 0
            if len(self._held) < size:
                return
            head, body = self._head, bytes(self._held[:size])
            del self._held[:size]
            self._head = None
            yield head, body


# A run exchanges an order and scores for each batch: the general codec took a fifth of the loop's time for them.


def to_bytes(value: Setup | Order | Answer) -> bytes:
    """One line, as the codec writes it."""
    if isinstance(value, Order) and value.lease and value.clips and not value.close:
        return b'{"lease":%d,"clips":[%s]}\n' % (value.lease, b",".join(b"%d" % clip for clip in value.clips))
    if isinstance(value, Answer) and value == _scores(value):
        figures = (value.lease, value.rows, value.classes, value.seconds, value.waited_s)
        if all(figures):  # what is zero is left out, as a default
            return b'{"say":"scores","lease":%d,"rows":%d,"classes":%d,"seconds":%a,"waited_s":%a}\n' % figures
    return dumps(value).encode("ascii") + b"\n"


def _scores(value: Answer) -> Answer:
    return Answer("scores", value.lease, value.rows, value.classes, value.seconds, value.waited_s)


def to_order(text: bytes) -> Order:
    """An order of its line. Raises DecodeError."""
    table = _plain(text, _ORDER)
    if table is not None and all(type(clip) is int for clip in table["clips"]):
        return Order(table["lease"], tuple(table["clips"]))
    return loads(Order, text)


def to_answer(text: bytes) -> Answer:
    """An answer of its line. Raises DecodeError."""
    table = _plain(text, _SCORES)
    return Answer(**table) if table is not None and table["say"] == "scores" else loads(Answer, text)


_ORDER = {"lease": int, "clips": list}
_SCORES = {"say": str, "lease": int, "rows": int, "classes": int, "seconds": float, "waited_s": float}


def _plain(text: bytes, kinds: dict[str, type]) -> dict[str, Any] | None:
    """The table where it holds exactly these values of exactly these types; None is the codec's to read, or refuse."""
    try:
        table = json.loads(text)
    except ValueError:
        return None
    if not isinstance(table, dict) or table.keys() != kinds.keys():
        return None
    return table if all(type(table[name]) is kind for name, kind in kinds.items()) else None
