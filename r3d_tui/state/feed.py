"""What tells the console of news: messages, and a feed that follows a client from threads and posts
what changed a few times a second.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from msgspec import Struct, field
from textual.message import Message
from textual.message_pump import MessagePump

from backends import api
from backends.core.client import Client, LogChunk, Snapshot
from backends.core.events import Event
from backends.core.messages import InputError, Line, R3dError, line
from backends.core.run_state import Run
from backends.core.values import DeviceSample
from r3d_tui.text.rows import safe_lines
from r3d_tui.views.look import live_rate

T = TypeVar("T")
Worded = Callable[[Event], tuple[str, str] | None]
LEAST_S = 0.45
"""Least time between two snapshots: two a second are enough for eyes."""
LOOK_S = 0.15
"""Time between two looks for a newer one while something runs: a tick is seen at once."""
CALM_S = 0.4
"""The same where nothing runs."""
MOST_S = 1.5
"""Longest time between two snapshots."""
LOG_S = 0.5
"""Time between two looks at the log of a run."""
CALM_LOG_S = 2.0
"""The same where nothing runs."""
TAIL = 262_144
"""Bytes of a log that are read at first."""
AGAIN_S = 2.0
"""Pause after a failure."""


class Feed:
    """One thread for snapshots, one for the log that is looked at. Both are daemons: quitting waits for nothing."""

    def __init__(self, client: Client, post: Callable[[Message], object], word: Worded | None = None) -> None:
        """`word` as of `word_log`."""
        self._client = client
        self._post = post
        self._word = word
        self._run = ""
        self._seen = ("", 0)
        """The run and the number of its last event whose words are known."""
        self._ended = threading.Event()
        self._log_wanted = threading.Event()
        self._watched: tuple[str, int] | None = None
        self._calm = False

    def start(self) -> None:
        for target in (self._follow, self._follow_log):
            threading.Thread(target=target, name="feed", daemon=True).start()

    def end(self) -> None:
        """Stop following; a thread that waits for a slow disk ends by itself."""
        self._ended.set()
        self._log_wanted.set()

    def watch(self, stage: str | None, attempt: int = 0) -> None:
        """Follow this stage's log from its tail; None: no log is looked at."""
        wanted = (stage, attempt) if stage is not None else None
        if wanted != self._watched:
            self._watched = wanted
            self._log_wanted.set()

    def word_log(self, word: Worded | None) -> None:
        """Show the log again. `word` gives an event's line in the log and in the reader's language; None: as it is."""
        self._word, self._watched = word, None

    def _follow(self) -> None:
        version: int | None = None
        look = self._client.glance  # for the first picture; the whole of it follows
        while not self._ended.is_set():
            begun = time.monotonic()
            try:
                snapshot = look()
                look = self._client.snapshot
                self._run = snapshot.run.id
                if snapshot.version != version:
                    version = snapshot.version
                    self._post(SnapshotCame(snapshot))
                self._calm = snapshot.run.state != "running"
                self._ended.wait(max(0.0, LEAST_S - (time.monotonic() - begun)))
                self._await_change(begun + MOST_S)
            except Exception as error:  # noqa: BLE001 - whatever reading met is shown, and tried again
                self._post(FeedBroke(_words_of(error)))
                version = None
                self._ended.wait(AGAIN_S)

    def _await_change(self, until: float) -> None:
        """Wait for a sign of something newer, as far as it gives one; what gives none is read again all the same."""
        while not self._client.changed(0.0) and time.monotonic() < until:
            if self._ended.wait(CALM_S if self._calm else LOOK_S):
                return

    def _follow_log(self) -> None:
        while not self._ended.is_set():
            self._log_wanted.wait()
            self._log_wanted.clear()
            watched = self._watched
            if watched is None or self._ended.is_set():
                continue
            try:
                self._tail(watched)
            except Exception as error:  # noqa: BLE001 - as above
                self._post(FeedBroke(_words_of(error)))
                self._ended.wait(AGAIN_S)
                self._log_wanted.set()

    def _tail(self, watched: tuple[str, int]) -> None:
        stage = watched[0]
        chunk = self._client.log(stage, None, TAIL)
        self._seen = ("", 0)
        self._post(LogCame(_piece(stage, chunk, self._worded(stage), fresh=True)))
        while self._watched == watched and not self._ended.is_set():
            end = chunk.end
            chunk = self._client.log(stage, end)
            if chunk.end < end or chunk.offset != end:  # a new file: begin again
                chunk = self._client.log(stage, None, TAIL)
                self._post(LogCame(_piece(stage, chunk, self._worded(stage), fresh=True)))
            elif (worded := self._worded(stage)) or chunk.text:
                self._post(LogCame(_piece(stage, chunk, worded, fresh=False)))
            if self._log_wanted.wait(CALM_LOG_S if self._calm else LOG_S):
                return

    def _worded(self, stage: str) -> dict[str, str]:
        """Our own lines of the log that are new, by their English text. Their events may come after them."""
        if self._word is None:
            return {}
        run = self._run
        after = self._seen[1] if self._seen[0] == run else 0
        found = self._client.events(run, after) if run else []
        self._seen = (run, found[-1][0] if found else after)
        return dict(
            filter(None, (self._word(event) for _, _, event in found if getattr(event, "stage", stage) == stage))
        )


def _piece(stage: str, chunk: LogChunk, worded: Mapping[str, str], *, fresh: bool) -> LogPiece:
    lines = safe_lines(chunk.text)
    if fresh and chunk.offset and len(lines) > 1:
        lines = lines[1:]  # the first is cut
    partial = bool(lines) and bool(lines[-1])
    if lines and not lines[-1]:
        lines.pop()
    return LogPiece(stage, tuple(lines), fresh, partial, worded)


def _words_of(error: Exception) -> Line:
    if isinstance(error, R3dError):
        return error.line
    return line("{error}: {text}", error=type(error).__name__, text=str(error)[:300])


@dataclass
class SnapshotCame(Message, bubble=False):
    snapshot: Snapshot

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
    worded: Mapping[str, str] = field(default_factory=dict)
    """Our own lines, of this piece and of the last ones, in the reader's language, by their English text."""


@dataclass
class LogCame(Message, bubble=False):
    piece: LogPiece


@dataclass
class DevicesRead(Message, bubble=False):
    """Readings of the devices outside a run."""

    samples: tuple[DeviceSample, ...]

    def can_replace(self, message: Message) -> bool:
        """A later reading of all devices stands for an earlier one."""
        return isinstance(message, DevicesRead)


@dataclass
class FeedBroke(Message, bubble=False):
    """The workspace cannot be read now; the feed tries again."""

    text: Line


def ask(
    screen: MessagePump, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[R3dError | Line], None]
) -> None:
    """Do `work` in a thread, then `then` or `failed` in the event loop, unless the screen was left meanwhile.

    `failed` gets an error of the outside world, or, where `work` has a fault of ours, a line that names it.
    """

    def run() -> None:
        try:
            found = work()
        except (R3dError, OSError) as error:
            screen.call_later(failed, error if isinstance(error, R3dError) else InputError("{error}", error=str(error)))
        except Exception as error:  # noqa: BLE001 - shown as a sentence; the console goes on
            screen.call_later(failed, _words_of(error))
        else:
            screen.call_later(then, found)

    Thread(target=run, name="ask", daemon=True).start()


class DevicePoll:
    """One sampler at a time. `want` and `end` return at once: a thread starts and stops the process."""

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        self._target = ""
        self._wake = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def want(self, target: str) -> None:
        """Read the devices of a target; "" while a run's own sampler does, or where nobody looks."""
        if target == self._target:
            return
        self._target = target
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="devices", daemon=True)
            self._thread.start()
        self._wake.set()

    def end(self) -> None:
        self._ended, self._target = True, ""
        self._wake.set()

    def _follow(self) -> None:
        while not self._ended:
            if target := self._target:
                self._sample(target)
            self._wake.wait()
            self._wake.clear()

    def _sample(self, target: str) -> None:
        """Post what is read until another target is wanted. A sampler that ends by itself is not started again."""
        with contextlib.suppress(OSError, ValueError), api.sample_devices(target) as readings:
            for samples in readings:
                if self._target != target:
                    self._wake.set()
                    return
                self._post(DevicesRead(samples))


KEPT = 240
EVERY_S = 1.0
"""One value a second at most; at half a second's ticks the last counts."""


class History:
    """`rates[device]` oldest first; all together under ""."""

    def __init__(self) -> None:
        self.rates: dict[str, deque[float | None]] = {}
        self._run = ""
        self._last = -EVERY_S

    def add(self, run: Run, now: float) -> None:
        """Take in what the devices do now; a new run begins again."""
        if run.id != self._run:
            self.rates.clear()
            self._run = run.id
        values: Mapping[str, float | None] = {device.id: live_rate(device) for device in run.devices}
        if all(value is None for value in values.values()):
            return
        fresh = now - self._last >= EVERY_S
        known = [value for value in values.values() if value is not None]
        for name, value in {**values, "": sum(known)}.items():
            ring = self.rates.setdefault(name, deque(maxlen=KEPT))
            if fresh or not ring:
                ring.append(value)
            else:
                ring[-1] = value
        if fresh:
            self._last = now
