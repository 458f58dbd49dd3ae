"""Which server computes which shard: a state machine. No process, no clock; times are passed in, in seconds.

    starting   its process was requested          → ready, left out, lost
    ready      it has up to two shards in flight  → lost
    left out   it differs from the head, or does not see the videos
    lost       it ended or went silent            → starting, a few times

A shard is handed out under a lease number. What a server had in flight when it was lost goes back to the front of the
queue; an answer under a lease that has ended is late and ignored, so nothing counts twice. A shard that failed is
tried by another server where there is one; after two failures it is halved, down to one video, which is skipped by
name. A server that fails one shard after the other, where others do not, is left out: it would fail them all, quickly.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field

from backends.core.messages import Line, line

DEPTH = 2
"""Shards in flight at a server: one is decoded, one computed."""
FAILURES = 2
"""How often a shard may fail before it is halved."""
REFUSALS = 3
"""Shards that a server may fail one after the other."""


class Shard(Struct, frozen=True):
    """Videos by their place in the run's list."""

    videos: tuple[int, ...]
    failed: tuple[str, ...] = ()
    """Servers that it failed on."""


class StartServer(Struct, frozen=True):
    """Start the server's process."""

    server: str


class GiveShard(Struct, frozen=True):
    """Send a shard to the server."""

    server: str
    lease: int
    shard: Shard


class SkipVideo(Struct, frozen=True):
    """The video fails whoever takes it."""

    video: int
    reason: Line


class Kill(Struct, frozen=True):
    """End the server's process, which is silent."""

    server: str


class ShowServer(Struct, frozen=True):
    """The server entered a state that people see."""

    server: str
    state: Literal["loading", "working", "out", "retired"]
    reason: Line = Line("")


Step = StartServer | GiveShard | SkipVideo | Kill | ShowServer


class LeasedServer(Struct):
    """A server as the scheduler sees it."""

    name: str
    state: Literal["starting", "ready", "left_out", "lost"] = "lost"
    since: float = 0.0
    """When it was last heard."""
    is_heard: bool = False
    """Since its last start."""
    starts: int = 0
    refusals: int = 0
    """Since its last answer."""
    flight: dict[int, Shard] = field(default_factory=dict)
    """By lease, the oldest first."""
    reason: Line = Line("")
    hint: Line = Line("")
    is_hopeless: bool = False


class ShardLimits(Struct, frozen=True):
    """Seconds that a server may be silent, before and after its first word, and how often one is started in all."""

    start_s: float = 120.0
    silent_s: float = 30.0
    starts: int = 3


class ShardLeases:
    """The state machine; see the module's text."""

    def __init__(self, servers: Iterable[str], shards: Iterable[Shard], limits: ShardLimits | None = None) -> None:
        self.servers = {name: LeasedServer(name) for name in servers}
        self.late = 0
        """Answers under a lease that had ended."""
        self._queue = deque(shards)
        self._limits = limits or ShardLimits()
        self._lease = 1

    @property
    def finished(self) -> bool:
        """Every video has its result, or was skipped."""
        return not self._queue and not any(server.flight for server in self.servers.values())

    @property
    def failure(self) -> LeasedServer | None:
        """The server that was lost last, where none is left that could go on."""
        if self.finished or any(one.state in ("starting", "ready") for one in self.servers.values()):
            return None
        return max(self.servers.values(), key=lambda one: (one.state == "lost", one.since), default=LeasedServer(""))

    def begin(self, at: float) -> list[Step]:
        """Every server is started."""
        return [step for server in self.servers.values() for step in self._start(server, at)]

    def joined(self, name: str, at: float) -> list[Step]:
        """The server fits and opens its devices: it may decode from now on."""
        server = self.servers[name]
        if server.state == "starting":
            server.state, server.since = "ready", at
        return self._hand_out()

    def left_out(self, name: str, reason: Line, at: float) -> list[Step]:
        """The server cannot take part, or is not to: others get its shards."""
        server = self.servers[name]
        self._queue.extendleft(reversed(server.flight.values()))
        server.flight.clear()
        server.state, server.since, server.reason = "left_out", at, reason
        return [ShowServer(name, "out", reason), *self._hand_out()]

    def taken_in(self, name: str, at: float) -> Sequence[Step]:
        """A server that was left out or lost is started again."""
        server = self.servers[name]
        return self._start(server, at) if server.state in ("left_out", "lost") else ()

    def heard(self, name: str, at: float) -> None:
        """Whatever the server sent."""
        self.servers[name].since, self.servers[name].is_heard = at, True

    def answered(self, name: str, lease: int, at: float) -> tuple[Shard | None, list[Step]]:
        """The shard of an answer, to be kept; None where its lease has ended."""
        shard = self.servers[name].flight.pop(lease, None)
        self.late += shard is None
        self.servers[name].refusals = 0
        self.heard(name, at)
        return shard, self._hand_out()

    def refused(self, name: str, lease: int, reason: Line, at: float) -> list[Step]:
        """The server could not compute the shard, and goes on."""
        server = self.servers[name]
        shard = server.flight.pop(lease, None)
        server.refusals += 1
        self.heard(name, at)
        steps = self._failed(name, shard, reason) if shard else []
        if server.refusals >= REFUSALS and len(self._ready) > 1:
            steps += [Kill(name), *self.left_out(name, reason, at)]
        return [*steps, *self._hand_out()]

    def lost(self, name: str, reason: Line, at: float, *, blame: bool = True, hopeless: bool = False) -> list[Step]:
        """The server's process has ended; `blame`: the shard that it computed may be the cause."""
        server = self.servers[name]
        if server.state not in ("starting", "ready"):
            return []
        steps: list[Step] = []
        flight = list(server.flight.values())
        server.flight.clear()
        self._queue.extendleft(reversed(flight[1:] if blame else flight))
        if flight and blame:
            steps += self._failed(name, flight[0], reason)
        server.state, server.since, server.reason, server.is_hopeless = "lost", at, reason, hopeless
        steps.append(ShowServer(name, "retired", reason))
        if not self.finished and not hopeless and server.starts < self._limits.starts:
            steps += self._start(server, at)
        return [*steps, *self._hand_out()]

    def tick(self, at: float) -> list[Step]:
        """Time has passed: servers that are silent for too long are ended."""
        steps: list[Step] = []
        for server in self.servers.values():
            limit = self._limits.silent_s if server.is_heard else self._limits.start_s
            if server.state in ("starting", "ready") and at - server.since > limit:
                reason = line("no answer for {seconds:.0f} s", seconds=at - server.since)
                steps += [Kill(server.name), *self.lost(server.name, reason, at, blame=False)]
        return steps

    def _start(self, server: LeasedServer, at: float) -> Sequence[Step]:
        server.state, server.since, server.starts, server.is_heard = "starting", at, server.starts + 1, False
        return StartServer(server.name), ShowServer(server.name, "loading")

    @property
    def _ready(self) -> list[LeasedServer]:
        return [one for one in self.servers.values() if one.state == "ready"]

    def _failed(self, server: str, shard: Shard, reason: Line) -> list[Step]:
        """It goes back to the queue: whole the first time, then in halves; a single video is skipped."""
        if len(shard.failed) + 1 < FAILURES:
            self._queue.appendleft(Shard(shard.videos, (*shard.failed, server)))
        elif len(shard.videos) == 1:
            return [SkipVideo(shard.videos[0], reason)]
        else:
            middle = len(shard.videos) // 2
            self._queue.extendleft((Shard(shard.videos[middle:]), Shard(shard.videos[:middle])))
        return []

    def _hand_out(self) -> list[Step]:
        """Two shards a server, evenly."""
        steps: list[Step] = []
        for depth in range(1, DEPTH + 1):
            for server in self._ready:
                shard = self._next(server) if len(server.flight) < depth else None
                if shard is not None:
                    server.flight[self._lease] = shard
                    steps += [GiveShard(server.name, self._lease, shard), ShowServer(server.name, "working")]
                    self._lease += 1
        return steps

    def _next(self, server: LeasedServer) -> Shard | None:
        """The first shard that did not fail on it; where it is alone, whichever is first."""
        is_alone = len(self._ready) == 1
        found = next((one for one in self._queue if is_alone or server.name not in one.failed), None)
        if found is not None:
            self._queue.remove(found)
        return found


def cut(count: int, servers: int, wanted: int = 0) -> list[Shard]:
    """Shards of `count` videos: `wanted` each, or about eight for each server, of 4 to 1024 videos."""
    size = wanted or max(4, min(1024, -(-count // (8 * max(1, servers)))))
    return [Shard(tuple(range(start, min(start + size, count)))) for start in range(0, count, size)]
