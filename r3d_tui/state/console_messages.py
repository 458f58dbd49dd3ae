"""What crosses from threads to the screens. High-rate messages may be replaced by a later one and do not bubble."""

from __future__ import annotations

from msgspec import Struct
from textual.message import Message

from backends.core.client import Snapshot
from backends.core.messages import Line
from backends.core.values import DeviceSample


class SnapshotCame(Message, bubble=False):
    """A newer snapshot of the workspace."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """A later snapshot says all that an earlier one did."""
        return isinstance(message, SnapshotCame)


class LogPiece(Struct, frozen=True):
    """Harmless lines of a stage's log; `fresh`: what was shown before is gone."""

    stage: str
    lines: tuple[str, ...]
    fresh: bool
    partial: bool
    """The last line has no end yet; the next piece goes on with it."""


class LogCame(Message, bubble=False):
    """A piece of the log that is being watched."""

    def __init__(self, piece: LogPiece) -> None:
        super().__init__()
        self.piece = piece


class DevicesRead(Message, bubble=False):
    """Readings of the devices outside a run."""

    def __init__(self, samples: tuple[DeviceSample, ...]) -> None:
        super().__init__()
        self.samples = samples

    def can_replace(self, message: Message) -> bool:
        """A later reading of all devices stands for an earlier one."""
        return isinstance(message, DevicesRead)


class FeedBroke(Message, bubble=False):
    """The workspace cannot be read now; the feed tries again."""

    def __init__(self, text: Line) -> None:
        super().__init__()
        self.text = text
