"""The head's side of a run over servers: leases out, answers into the spool, servers shown. The stages call it."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from backends.cluster.carrier import Carrier
from backends.cluster.shard_leases import (
    GiveShard,
    Kill,
    Shard,
    ShardLeases,
    ShardLimits,
    ShowServer,
    SkipVideo,
    StartServer,
    Step,
    cut,
)
from backends.cluster.shard_protocol import (
    Command,
    Ended,
    Hello,
    Message,
    Open,
    Ping,
    Reported,
    ServerAlive,
    ServerSetup,
    ShardAnswer,
    ShardOrder,
    ShardRefused,
    ShardVideo,
    VideoResult,
    WireError,
    WireReader,
    to_frame,
)
from backends.cluster.spool import Spool, check_answer, check_results
from backends.core.events import DeviceProgress, ServerWork
from backends.core.messages import N_, InputError, Line, NeedError, StageError, Stopped, line, os_reason
from backends.core.processes import SIMULATED
from backends.core.settings import ClusterSettings
from backends.inference.running_accuracy import Meter
from backends.monitor.cpu_groups import versions
from backends.worker.job import Job

TURN_S = 0.2
PING_S = 2.0
NOTHING = Line("")
STALLED = 1 / 6
"""Share of `silent_s` without a word, where one is due every second, from which a server is shown as stalled."""
FULL = 0.9
"""Share of the time from which the chips are what bounds a run."""


class ClusterWork(Struct, frozen=True):
    """What one attempt did."""

    seconds: float
    """From the start of the servers until the last answer was durable."""
    clips: int
    servers: int
    """That computed something."""
    devices: int
    runtime: str
    runtime_version: str


class _Server(Struct):
    """What is known of a server besides its leases."""

    reader: WireReader = msgspec.field(default_factory=WireReader)
    hello: Hello | None = None
    alive: ServerAlive = ServerAlive()
    meter: Meter = msgspec.field(default_factory=Meter)
    shown: tuple[str, str, Line] = ("", "", NOTHING)
    """State, name, and the reason while it works."""
    given_at: dict[int, float] = msgspec.field(default_factory=dict)


class ClusterRun:
    """One attempt at the videos that the spool does not hold yet."""

    def __init__(
        self, job: Job, carrier: Carrier, spool: Spool, setup: ServerSetup, wanted: Sequence[str], shard_videos: int
    ) -> None:
        """`setup` is what each server gets, with its own name; `wanted` names the servers to use, empty: all."""
        self._job, self._carrier, self._spool, self._setup = job, carrier, spool, setup
        self._wanted, self._shard_videos = wanted, shard_videos
        self._servers: dict[str, _Server] = {}
        self._videos: Sequence[ShardVideo] = ()
        self._reference: Hello | None = None
        """The first server that fits: the others must be like it."""
        self._all = Meter()
        self._pinged = self._reported = 0.0
        self._done = 0

    def run(self, videos: Sequence[ShardVideo]) -> ClusterWork:
        """Compute them; StageError, InputError or NeedError where no server can go on, Stopped on request."""
        self._videos = [one for one in videos if one.video.id not in self._spool]
        self._done = len(videos) - len(self._videos)
        begun = time.monotonic()
        if self._videos:
            names = self._choose()
            limits = ShardLimits(silent_s=self._setup.silent_s)
            self._leases = ShardLeases(names, cut(len(self._videos), len(names), self._shard_videos), limits)
            self._servers = {name: _Server() for name in names}
            try:
                self._do(self._leases.begin(begun))
                while not self._leases.finished:
                    self._turn(len(videos))
            finally:
                self._carrier.close()
            self._report(len(videos), last=True)
            for name, server in self._servers.items():
                if server.shown[0] == "working":
                    self._show(name, "done")
        return self._work(time.monotonic() - begun)

    def _choose(self) -> list[str]:
        there = self._carrier.servers()
        if absent := sorted(set(self._wanted) - set(there)):
            hint = N_("cluster.servers may name some of {there}")
            raise InputError("no server {absent}", hint=hint, absent=tuple(absent), there=there)
        return [name for name in there if not self._wanted or name in self._wanted]

    def _turn(self, total: int) -> None:
        for server, data in self._carrier.poll(TURN_S):
            self._came(server, data)
        now = time.monotonic()
        self._do(self._leases.tick(now))
        if now - self._pinged > PING_S:
            self._pinged = now
            for server in self._servers:
                self._carrier.give(server, to_frame(Ping()))
        self._obey()
        self._job.check_stop()
        if now - self._reported > TURN_S:  # not after each word: there is one a second of every server
            self._reported = now
            self._report(total)
        if (lost := self._leases.failure) is not None:
            kind = NeedError if lost.is_hopeless else StageError
            hint = lost.hint.template or N_("see the stage's log; what came back is kept: run again")
            raise kind("no server is left: {reason}", hint=hint, reason=lost.reason, **lost.hint.facts)

    def _came(self, server: str, data: bytes | None) -> None:
        now = time.monotonic()
        if data is None:
            self._gone(server, line("its process has ended"))
            return
        self._leases.heard(server, now)
        try:
            for message, body in self._servers[server].reader.feed(data):
                self._handle(server, message, body, now)
        except WireError as error:
            self._carrier.kill(server)
            self._gone(server, line("it sent an invalid answer: {reason}", reason=str(error)))

    def _gone(self, server: str, reason: Line) -> None:
        self._do(self._leases.lost(server, reason, time.monotonic()))

    def _handle(self, server: str, message: Message, body: bytes, now: float) -> None:
        state = self._servers[server]
        if isinstance(message, Hello):
            self._meet(server, message, now)
        elif isinstance(message, ServerAlive):
            state.alive = message
        elif isinstance(message, ShardAnswer):
            check_answer(message, body)
            self._answered(server, message, body, now)
        elif isinstance(message, ShardRefused):
            self._do(self._leases.refused(server, message.lease, message.reason, now))
        elif isinstance(message, Reported):
            self._job.note(line("{server}: {text}", server=server, text=message.text), message.level)
        elif isinstance(message, Ended):
            self._carrier.kill(server)
            self._leases.servers[server].hint = message.hint
            self._do(self._leases.lost(server, message.reason, now, hopeless=message.is_hopeless))

    def _meet(self, server: str, hello: Hello, now: float) -> None:
        self._servers[server].hello = hello
        reason = differs(hello, self._reference, self._setup.sample, self._setup.model.soc_version)
        if reason is not None:
            self._carrier.kill(server)
            self._do(self._leases.left_out(server, reason, now))
            return
        self._reference = self._reference or hello
        body = b""
        if hello.needs_model:
            body = self._setup.model.path.read_bytes()
        self._carrier.give(server, to_frame(Open(), body))
        self._do(self._leases.joined(server, now))

    def _answered(self, server: str, answer: ShardAnswer, rows: bytes, now: float) -> None:
        expected = self._leases.servers[server].flight.get(answer.lease)
        if expected is not None:  # before the lease ends: a wrong answer must not end it
            check_results(answer, [self._videos[place].video for place in expected.videos], self._setup.params)
            answer = msgspec.structs.replace(answer, results=tuple(map(_judged, answer.results)))
            self._keep(answer, rows)  # durable before the next is given: a kill costs two shards a server, not three
        shard, steps = self._leases.answered(server, answer.lease, now)
        self._do(steps)
        if shard is None:
            return
        state, clips = self._servers[server], len(rows) // max(1, 4 * answer.classes)
        seconds = now - state.given_at.pop(answer.lease, now)
        state.meter.add(now, clips, seconds)
        self._all.add(now, clips, seconds)

    def _keep(self, answer: ShardAnswer, rows: bytes) -> None:
        try:
            self._spool.keep(answer, rows)
        except OSError as error:
            hint = N_("make room there and run again: what came back before is kept")
            folder = str(self._spool.folder)
            raise StageError("{path}: {reason}", hint=hint, path=folder, reason=os_reason(error)) from error
        self._done += len(answer.results)

    def _do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, StartServer):
                self._start(step.server)
            elif isinstance(step, GiveShard):
                self._give(step.server, step.lease, step.shard)
            elif isinstance(step, SkipVideo):
                self._skip(step)
            elif isinstance(step, Kill):
                self._carrier.kill(step.server)
            elif isinstance(step, ShowServer):
                self._show(step.server, step.state, step.reason)

    def _show(self, server: str, state: str, reason: Line = NOTHING) -> None:
        """Once, but where its name is known better; of a server at work its reason may change too."""
        shown = (state, self._name(server), reason if state == "working" else NOTHING)
        if self._servers[server].shown != shown:
            self._servers[server].shown = shown
            self._job.device(server, state, name=shown[1], reason=reason)

    def _start(self, server: str) -> None:
        self._servers[server].reader = WireReader()
        self._carrier.start(server)
        self._carrier.give(server, to_frame(msgspec.structs.replace(self._setup, server=server)))

    def _give(self, server: str, lease: int, shard: Shard) -> None:
        state, now = self._servers[server], time.monotonic()
        state.given_at[lease] = now
        state.meter.begin(now)
        self._all.begin(now)
        videos = tuple(self._videos[place] for place in shard.videos)
        self._carrier.give(server, to_frame(ShardOrder(lease, videos)))

    def _skip(self, step: SkipVideo) -> None:
        """It counts as computed, without clips, and the next run tries it again."""
        video = self._videos[step.video].video
        self._keep(ShardAnswer(0, (VideoResult(video, reason=step.reason, is_temporary=True),), 0), b"")

    def _obey(self) -> None:
        if self._job.stopping:
            raise Stopped
        for command in self._job.commands():
            server, _, device = str(command.get("id")).partition("/")
            if server in self._servers and not device:
                self._take(server, command.get("take"))
            elif server in self._servers:
                self._carrier.give(server, to_frame(Command({**command, "id": device})))

    def _take(self, server: str, take: str | None) -> None:
        """A person excludes a server, or includes it again."""
        now = time.monotonic()
        if take == "out" and self._leases.servers[server].state in ("starting", "ready"):
            self._carrier.kill(server)
            self._do(self._leases.left_out(server, line("excluded on request"), now))
        elif take == "in":
            self._do(self._leases.taken_in(server, now))

    def _name(self, server: str) -> str:
        hello, alive = self._servers[server].hello, self._servers[server].alive
        if hello is None:
            return ""
        label = " simulated" if os.environ.get(SIMULATED) else ""
        return f"{hello.host} · {len(alive.chips) or hello.chips or '?'} × {hello.soc or hello.runtime}{label}"

    def _look(self, server: str, now: float) -> None:
        """Show a server that says nothing as stalled, and those of its devices that do not work by their states."""
        leased, state = self._leases.servers[server], self._servers[server]
        if leased.state != "ready":
            return
        silent = now - leased.since
        if silent > STALLED * self._setup.silent_s:
            self._show(server, "stalled", line("no word for {seconds:.0f} s", seconds=silent))
        elif leased.flight:
            others = [one for one in state.alive.chips if one.state in ("stalled", "out", "retired")]
            text = tuple(line("{device}: {state}", device=one.id, state=one.state) for one in others)
            self._show(server, "working", line("{devices}", devices=text) if others else Line(""))

    def _report(self, total: int, *, last: bool = False) -> None:
        now = time.monotonic()
        for name, server in self._servers.items():
            meter, alive = server.meter, server.alive
            self._look(name, now)
            work = ServerWork(alive.chips, alive.decoding, round(now - self._leases.servers[name].since, 1))
            rates = (meter.clips, meter.rate(now), meter.mean(now))
            self._job.device_progress(DeviceProgress(name, *rates, utilisation=alive.computing, server=work), last=last)
        figures: dict[str, Any] = {"clips": self._spool.clips, "clips_per_s": self._all.rate(now), **self._shares()}
        self._job.progress(self._done, total, "videos", note=bound(figures), figures=figures)

    def _shares(self) -> dict[str, float]:
        """Mean share of the last second that servers decoded and computed: what bounds the run."""
        found: dict[str, float] = {}
        for name in ("decoding", "waiting", "computing"):
            values = [value for one in self._servers.values() if (value := getattr(one.alive, name)) is not None]
            if values:
                found[f"{name}_share"] = round(sum(values) / len(values), 3)
        return found

    def _work(self, seconds: float) -> ClusterWork:
        worked = [one for one in self._servers.values() if one.meter.clips]
        return ClusterWork(
            seconds,
            self._all.clips,
            len(worked),
            sum(len(one.alive.chips) for one in worked),
            self._reference.runtime if self._reference else "",
            next((one.alive.runtime_version for one in worked if one.alive.runtime_version), ""),
        )


def _judged(result: VideoResult) -> VideoResult:
    """What a server missed is only away where the head sees it: the next run tries it again."""
    is_there = bool(result.missing) and os.path.lexists(result.missing)
    return msgspec.structs.replace(result, is_temporary=True) if is_there else result


def bound(figures: Mapping[str, Any]) -> Line:
    """What bounds the run: chips that are always busy, else decoding, or the storage that decoders wait for."""
    decoding, chips = figures.get("decoding_share"), figures.get("computing_share")
    if decoding is None or chips is None:
        return Line("")
    facts = {"decoding": f"{100 * decoding:.0f} %", "chips": f"{100 * chips:.0f} %"}
    if chips >= FULL:
        return line("bound by the chips (util: decoding {decoding}, chips {chips})", **facts)
    if figures.get("waiting_share", 0.0) > 0.5:
        return line("bound by storage (util: decoding {decoding}, chips {chips})", **facts)
    return line("bound by decoding (util: decoding {decoding}, chips {chips})", **facts)


def differs(hello: Hello, reference: Hello | None, sample: Path, soc_version: str = "") -> Line | None:
    """Why a server cannot take part beside `reference`, which was the first; None: it can.

    `soc_version`: the chips that the model is compiled for; empty: not known.
    """
    ours = versions(()).get("r3d-tui", "")
    if hello.problem.template:
        return hello.problem
    if hello.version != ours:
        return line("it has r3d-tui {found}, the head has {wanted}", found=hello.version or "?", wanted=ours)
    if not hello.sees_videos:
        return line("it does not see {path}", path=str(sample))
    if soc_version and hello.soc and hello.soc != soc_version:
        text = N_("its soc_version is {found}, the model is compiled for {wanted}; compile.soc_version names another")
        return line(text, found=hello.soc, wanted=soc_version)
    for what, name in (("runtime", "runtime"), ("CANN", "cann"), ("soc_version", "soc")) if reference else ():
        found, wanted = getattr(hello, name), getattr(reference, name)
        if found != wanted:
            text = N_("its {what} is {found}, the others have {wanted}")
            return line(text, what=what, found=found or "?", wanted=wanted or "?")
    return None


def make_carrier(settings: ClusterSettings, workspace: Path) -> Carrier:
    """The carrier for `cluster.address`. NeedError where Ray is not here."""
    kind, _, count = settings.address.partition(":")
    if kind == "local":
        from backends.cluster.local_carrier import LocalCarrier

        return LocalCarrier(int(count), workspace)
    from backends.cluster.ray_carrier import RayCarrier

    return RayCarrier(settings, workspace)
