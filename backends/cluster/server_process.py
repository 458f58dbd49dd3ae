"""`python -m backends.cluster.server_process`: one server's part of a run. A carrier starts it and speaks for the head.

    main thread      the devices: product's own pool, fed with the batches of decoded shards
    orders           reads what the head sends
    decoder          the next shard to clips, in a scratch folder
    watch            a word to the head every second; ends all of it when the head has been silent for too long

Whatever ends it ends its devices and decoders, by the kernel; it keeps nothing on this server but its scratch folder
while it runs.
"""

import contextlib
import os
import platform
import queue
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from msgspec.structs import replace

from backends.ascend.chip_query import ask_chips
from backends.cluster.shard_decoder import DecodedShard, ShardDecoder
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
    WireReader,
    model_file,
    to_frame,
)
from backends.cluster.shard_rows import ShardRows
from backends.core.events import DeviceChanged, DeviceProgress, Event, ServerChip, StageNote
from backends.core.messages import Line, R3dError, Stopped, line, os_reason
from backends.core.processes import die_with_parent, is_alive
from backends.core.stage_request import Request
from backends.core.values import DeviceTable
from backends.data.preprocess import header
from backends.device.clip_format import INDEX, header_line
from backends.device.lifeline import no_telemetry
from backends.device.shard_clips import STORE_BITS
from backends.inference import lease_events as ev
from backends.inference.batch_layout import Batch
from backends.inference.device_makers import process_maker
from backends.inference.infer import find_devices
from backends.inference.lease_scheduler import Leases
from backends.inference.pool import Pool
from backends.inference.runtime_registry import Chosen, choose
from backends.inference.select_devices import Choice
from backends.monitor.cpu_groups import versions
from backends.worker.job import Job

BEAT_S = 1.0
PREFIX = "r3d-tui-"
CLIPS = "backends.device.shard_clips:ShardClips"


def main() -> int:
    """Serve until the head closes the stream, or is silent."""
    die_with_parent()
    no_telemetry()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(os.dup(1), sys.stdin.buffer)
    os.dup2(2, 1)
    setup = channel.take(timeout=60)
    if not isinstance(setup, ServerSetup):
        return 1
    scratch = channel.scratch = _scratch(setup.scratch)
    try:
        return _serve(setup, channel, scratch)
    except Exception as error:  # noqa: BLE001 - the boundary: one line to the head, the traceback into the log
        traceback.print_exc()
        hint = error.hint if isinstance(error, R3dError) else Line("")
        reason = error.line if isinstance(error, R3dError) else _in_words(error)
        channel.send(Ended(reason, hint, is_hopeless=isinstance(error, R3dError) and error.exit_code in (2, 3)))
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _in_words(error: Exception) -> Line:
    if isinstance(error, OSError):
        return line("{path}: {reason}", path=str(error.filename or ""), reason=os_reason(error))
    return line("{error}: {text}", error=type(error).__name__, text=str(error)[:500])


def _scratch(parent: Path) -> Path:
    """A folder of our own; those of processes that have gone are removed."""
    for path in parent.glob(f"{PREFIX}*-*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not is_alive(int(pid)) and path.stat().st_uid == os.getuid():
            shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))


class Channel:
    """Frames to the head from any thread, frames from it in a thread that notes when it was last heard."""

    def __init__(self, out: int, stream: IO[bytes]) -> None:
        self.heard = time.monotonic()
        self.body = b""
        """Of the message that was taken last."""
        self.status: Callable[[], ServerAlive] = ServerAlive
        """What is sent once a second."""
        self.scratch: Path | None = None
        """What is removed when the head has gone."""
        self._out, self._stream, self._lock = out, stream, threading.Lock()
        self._taken: queue.SimpleQueue[tuple[Message, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def send(self, message: Message, body: bytes = b"") -> None:
        data = memoryview(to_frame(message, body))
        with self._lock:
            while data:
                data = data[os.write(self._out, data) :]

    def take(self, timeout: float | None = None) -> Message | None:
        """The next message that is not a ping; None after `timeout` seconds."""
        with contextlib.suppress(queue.Empty):
            message, self.body = self._taken.get(timeout=timeout)
            return message
        return None

    def _listen(self) -> None:
        reader = WireReader()
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._stream.fileno(), 1 << 20):
                self.heard = time.monotonic()
                for message, body in reader.feed(data):
                    if not isinstance(message, Ping):
                        self._taken.put((message, body))
        self.end()

    def end(self) -> NoReturn:
        """At once: the kernel ends devices and decoders with us."""
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
        os._exit(1)


def _serve(setup: ServerSetup, channel: Channel, scratch: Path) -> int:
    for watch, words in ((_watch_head, (channel, setup.silent_s)), (_beat, (channel,))):
        threading.Thread(target=watch, args=words, name=watch.__name__, daemon=True).start()
    model = setup.model.path
    is_here = model.is_file() and model_file(model).sha256 == setup.model.sha256
    hello, chosen = _hello(setup, scratch, needs_model=not is_here)
    channel.send(hello)
    message = channel.take()
    if not isinstance(message, Open) or chosen is None:
        return 1
    if not is_here:
        model = scratch / setup.model.path.name
        model.write_bytes(channel.body)
    return _Session(setup, channel, scratch, model, chosen).run()


def _watch_head(channel: Channel, silent_s: float) -> None:
    while time.monotonic() - channel.heard < silent_s:
        time.sleep(min(1.0, silent_s / 4))
    sys.stderr.write("the head is silent: this server ends its part of the run\n")
    channel.end()


def _beat(channel: Channel) -> None:
    while True:
        channel.send(channel.status())
        time.sleep(BEAT_S)


def _hello(setup: ServerSetup, scratch: Path, *, needs_model: bool) -> tuple[Hello, Chosen | None]:
    found = versions(())
    chosen, problem = None, Line("")
    try:
        chosen = choose(setup.target, setup.runtime, setup.acl_python)
    except R3dError as error:
        problem = error.line
    if chosen is not None and chosen.info.is_tool:
        problem = line("the runtime {runtime} cannot be used on several servers", runtime=chosen.info.name)
    table = ask_chips(scratch, soc=True) if setup.target == "ascend" and chosen is not None else None
    hello = Hello(
        found.get("r3d-tui", ""),
        platform.python_version(),
        chosen.info.name if chosen else "",
        chosen.cann.version or "" if chosen and chosen.cann else "",
        _kinds(table, setup.devices) if table is not None else "",
        len(table.chips) if table is not None else None,
        host=socket.gethostname(),
        cores=len(os.sched_getaffinity(0)),
        free_mb=shutil.disk_usage(scratch).free >> 20,
        sees_videos=os.access(setup.sample, os.R_OK),
        needs_model=needs_model,
        problem=problem,
    )
    return hello, None if problem.template else chosen


def _kinds(table: DeviceTable, wanted: Sequence[int] | None) -> str:
    """The soc_version of the chips that are wanted (None: all); of several kinds all, so that the server fits none."""
    chips = [chip for chip in table.chips if wanted is None or chip.device_id is None or chip.device_id in wanted]
    return ", ".join(dict.fromkeys(chip.soc_version for chip in chips if chip.soc_version))


class _Session:
    """The devices and the shards of one run on this server."""

    def __init__(self, setup: ServerSetup, channel: Channel, scratch: Path, model: Path, chosen: Chosen) -> None:
        self._setup, self._channel, self._model, self._chosen = setup, channel, model, chosen
        self._shards = scratch / "shards"
        self._shards.mkdir()
        (self._shards / INDEX).write_bytes(header_line(header(setup.params)))
        self._decoder = ShardDecoder(
            setup.params, header(setup.params), self._shards, setup.workers, setup.is_of_frames
        )
        self._given: queue.SimpleQueue[ShardOrder] = queue.SimpleQueue()
        self._decoded: queue.SimpleQueue[DecodedShard | ShardRefused] = queue.SimpleQueue()
        self._chips: dict[str, ServerChip] = {}
        self._decoding_s = 0.0
        self._decoding_since: float | None = None
        self._seen = (0.0, time.monotonic())
        self._rows = ShardRows()
        self._batches = 0
        self._pool: Pool | None = None
        request = Request("infer", "", 1, scratch, scratch, scratch)
        self._job = Job(request, self._report)

    def run(self) -> int:
        """Compute what is given until the stream ends."""
        devices = find_devices(self._job, self._cpu_or_chips(), self._setup.devices, self._setup.options)
        names = [device.id for device in devices.devices]
        leases = Leases(names, iter(()), 0, left_out=devices.left_out, open_ended=True)
        self._channel.status = self._status
        for work in (self._take_orders, self._decode):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()
        self._make_pool(devices, leases).run(0)
        return 0

    def _cpu_or_chips(self) -> Any:
        return "cpu" if self._chosen.info.name == "null" else self._setup.target

    def _make_pool(self, devices: Choice, leases: Leases) -> Pool:
        maker = process_maker(self._job, self._chosen, self._model, self._shards, self._setup.batch, CLIPS)
        pool: Pool

        def source() -> ev.More | None:
            self._finish(pool, leases)
            return self._feed()

        pool = self._pool = Pool(self._job, devices.devices, maker.make, leases, self._rows, source=source)
        return pool

    def _feed(self) -> ev.More | None:
        """The batches of the shards that were decoded meanwhile."""
        batches: list[Batch] = []
        while True:
            try:
                shard = self._decoded.get_nowait()
            except queue.Empty:
                return ev.More(tuple(batches)) if batches else None
            if isinstance(shard, ShardRefused):
                self._channel.send(shard)
                continue
            self._rows.begin(shard)
            for start in range(0, shard.clips, self._setup.batch):
                numbers = range(start, min(start + self._setup.batch, shard.clips))
                self._batches += 1
                batches.append(Batch(self._batches, tuple(shard.lease << STORE_BITS | n for n in numbers)))

    def _finish(self, pool: Pool, leases: Leases) -> None:
        """Send the shards that are whole; one whose batches failed every device is refused."""
        for held in leases.held:
            text = line("{device}: {reason}", device=held.failures[-1][0], reason=held.failures[-1][1])
            self._drop(held.batch.clips[0] >> STORE_BITS, text)
        leases.held.clear()
        for lease in self._rows.whole(pool.dropped):
            shard, rows = self._rows.take(lease, pool.dropped)
            self._channel.send(ShardAnswer(lease, shard.results, self._rows.classes), rows)
            shutil.rmtree(shard.store, ignore_errors=True)

    def _drop(self, lease: int, reason: Line) -> None:
        shard = self._rows.forget(lease)
        if shard is not None:
            self._channel.send(ShardRefused(lease, reason))
            shutil.rmtree(shard.store, ignore_errors=True)

    def _take_orders(self) -> None:
        while True:
            message = self._channel.take()
            if isinstance(message, ShardOrder):
                self._given.put(message)
            elif isinstance(message, Command):
                self._job.obey(message.command)

    def _decode(self) -> None:
        while True:
            order = self._given.get()
            begun = self._decoding_since = time.monotonic()
            try:
                self._decoded.put(self._decoder.decode(order.lease, order.videos))
            except Exception as error:  # noqa: BLE001 - whatever it is, another server may do better
                traceback.print_exc()
                reason = error.line if isinstance(error, R3dError) else _in_words(error)
                self._decoded.put(ShardRefused(order.lease, reason))
            self._decoding_since = None
            self._decoding_s += time.monotonic() - begun

    def _status(self) -> ServerAlive:
        """Shares are of the time since the last call."""
        before, begun = self._seen
        decoded, now = self._seen = self._decoded_s(), time.monotonic()
        chips = tuple(self._chips.values())
        busy = [one.utilisation for one in chips if one.utilisation is not None]
        return ServerAlive(
            chips,
            self._rows.clips,
            min(1.0, (decoded - before) / max(1e-3, now - begun)),
            self._decoder.waiting_share(),
            sum(busy) / len(busy) if busy else None,
            self._pool.report.version or "" if self._pool is not None else "",
        )

    def _decoded_s(self) -> float:
        """Seconds so far in which a shard was being decoded, the present one with them."""
        begun = self._decoding_since
        return self._decoding_s + (time.monotonic() - begun if begun is not None else 0.0)

    def _report(self, event: Event) -> None:
        """What the pool says through its job."""
        if isinstance(event, DeviceChanged):
            chip = self._chips.get(event.device, ServerChip(event.device))
            self._chips[event.device] = replace(chip, state=event.state)
            sys.stderr.write(f"device {event.device}: {event.state} {event.reason}\n")
        elif isinstance(event, DeviceProgress):
            chip = self._chips.get(event.device, ServerChip(event.device))
            figures = (event.clips, event.clips_per_s, event.utilisation)
            self._chips[event.device] = ServerChip(chip.id, chip.state, *figures)
        elif isinstance(event, StageNote):
            self._channel.send(Reported(event.text, event.level))


if __name__ == "__main__":
    try:
        code = main()
    except Stopped:
        code = 130
    sys.stderr.flush()
    os._exit(code)
