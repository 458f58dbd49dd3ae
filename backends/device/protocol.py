"""What crosses between the stage and the process of a device: one JSON line each, scores as raw floats behind theirs.

Down the pipe goes one `DeviceSetup`, then `Order`s; up come `Answer`s. Both sides decode with the same values.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from backends.device.failures import Message
from backends.device.model_runtime import DeviceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, TypeVar

    from backends.device.failures import RestartPolicy

    V = TypeVar("V")

CLIPS = "backends.device.clip_reader:ClipReader"
"""Where a device reads its clips: a class with `open(path)` and `batch(numbers, out, pad_to)`."""
GROWING_CLIPS = "backends.device.clip_reader:GrowingClipReader"
"""The same of a store that is still being written; its `batch` also takes `crc`."""


_NOTHING = Message()


class ProtocolError(ValueError):
    """A line that is none of ours."""


@dataclass(frozen=True)
class DeviceSetup:
    """The first line: what the process is."""

    parent: int
    """Process id of the stage; without it the process ends."""
    runtime: str
    """The runtime's entry, `package.module:Class`."""
    model: str
    store: str
    batch: int
    device: DeviceSpec
    clips: str = CLIPS


@dataclass(frozen=True)
class Order:
    """Compute these clips under this lease; or, `close`, release everything and end after what came before."""

    lease: int = 0
    clips: tuple[int, ...] = ()
    close: bool = False
    crc: tuple[int, ...] = ()
    """CRC-32 of each clip, where the store is still being written."""


@dataclass(frozen=True)
class Answer:
    """What a device reports. After `scores` come `rows` x `classes` float32, little-endian."""

    kind: Literal["started", "ready", "alive", "scores", "refused", "unusable", "failed", "closed"] = "failed"
    """`alive`: at work on many leases; `refused`: the clips of a lease cannot be read; `unusable`: their scores are no
    finite numbers."""
    lease: int = 0
    rows: int = 0
    classes: int = 0
    seconds: float = 0.0
    """In compute; of `ready`: of the warm-up batch; of `alive`: since it began to compute, 0 before."""
    version: str = ""
    reason: Message = _NOTHING
    hint: Message = _NOTHING
    exit_code: int = 0
    """Of `failed`: 2 and 3 as in the error tree (no other device will do better), 1 where the device failed."""
    policy: RestartPolicy = "again"
    """Of `failed`, here and below: what the device is worth."""
    blame: bool = True
    """A batch in flight may be the cause."""
    is_killed: bool = False
    """Somebody, or the kernel, ended or stopped the process."""


class AnswerStream:
    """Cuts a stream of bytes into answers and the bytes of their scores, however the pipe delivered them."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._head: Answer | None = None

    def feed(self, data: bytes) -> Iterator[tuple[Answer, bytes]]:
        """The answers that are whole now. Raises ProtocolError where the stream is not ours."""
        self._held += data
        while True:
            if self._head is None:
                text, end, rest = self._held.partition(b"\n")
                if not end:
                    return
                self._held = rest
                self._head = to_answer(bytes(text))
            size = self._head.rows * self._head.classes * 4 if self._head.kind == "scores" else 0
            if len(self._held) < size:
                return
            head, body = self._head, bytes(self._held[:size])
            del self._held[:size]
            self._head = None
            yield head, body


_FIELDS: dict[type, dict[str, Any]] = {
    kind: {one.name: one.default for one in fields(kind)} for kind in (Order, Answer)
}


def to_bytes(value: DeviceSetup | Order | Answer) -> bytes:
    """One line. What has its default is left out."""
    if isinstance(value, DeviceSetup):
        return json.dumps(asdict(value)).encode("ascii") + b"\n"
    defaults = _FIELDS[type(value)]
    table = {name: one for name, one in vars(value).items() if one != defaults[name]}
    return json.dumps(table, separators=(",", ":"), default=str).encode("ascii") + b"\n"


def to_setup(text: bytes) -> DeviceSetup:
    """Of its line, which the stage of the same version wrote."""
    table = json.loads(text)
    device = table.pop("device")
    spec = DeviceSpec(**{**device, "cores": tuple(device["cores"])})
    return DeviceSetup(**{**table, "device": spec})


def to_order(text: bytes) -> Order:
    """An order of its line. Raises ProtocolError."""
    table = _table(text)
    for name in ("clips", "crc"):
        numbers = table.pop(name, [])
        if not isinstance(numbers, list) or not all(type(one) is int for one in numbers):
            raise ProtocolError(f"{name} are numbers")
        if numbers:
            table[name] = tuple(numbers)
    return _value(Order, table)


def to_answer(text: bytes) -> Answer:
    """An answer of its line. Raises ProtocolError."""
    table = _table(text)
    for name in ("reason", "hint"):
        if name in table:
            table[name] = _message(table[name])
    answer = _value(Answer, table)
    if min(answer.rows, answer.classes) < 0 or answer.rows * answer.classes > 1 << 28:
        raise ProtocolError(f"no such scores: {answer.rows} x {answer.classes}")
    return answer


def _table(text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(str(error)) from None
    if not isinstance(table, dict):
        raise ProtocolError("not a table")
    return table


def _message(value: Any) -> Message:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        return Message(*value)
    raise ProtocolError("not a message")


def _value(kind: type[V], table: dict[str, Any]) -> V:
    """A value whose fields have the types of their defaults."""
    defaults = _FIELDS[kind]
    for name, one in table.items():
        if name not in defaults:
            raise ProtocolError(f"no such field: {name}")
        wanted = type(defaults[name])
        if isinstance(one, Message) or type(one) is wanted or (wanted is float and type(one) is int):
            continue
        raise ProtocolError(f"{name}: not a {wanted.__name__}")
    return kind(**table)
