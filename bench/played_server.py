"""`python -m bench.played_server`: a server of several that computes nothing, for `bench.head`.

It speaks as `backends.cluster.server_process` does: who it is, a word of eight chips every second, and an answer of the
stated size to each shard after the stated time. Checksums and scores are made up.
"""

from __future__ import annotations

import os
import random
import select
import sys
import time
from collections import deque
from collections.abc import Iterator

from backends.cluster.shard_protocol import (
    Hello,
    Message,
    ServerAlive,
    ServerSetup,
    ShardAnswer,
    ShardOrder,
    VideoResult,
    WireReader,
    to_frame,
)
from backends.core.events import ServerChip
from backends.monitor.cpu_groups import versions

BEAT_S = 1.0
CHIPS = 8


def main() -> None:
    """Serve until standard input ends. `ServerSetup.options` says `classes`, `clips` a video and `shard_s`."""
    reader, due, beat = WireReader(), deque[tuple[float, ShardOrder]](), time.monotonic()
    options: dict[str, float] = {}
    while True:
        wait = min([beat, *(at for at, _ in due)]) - time.monotonic()
        if select.select([0], [], [], max(0.0, wait))[0]:
            if not (data := os.read(0, 1 << 20)):
                return
            for message, _ in reader.feed(data):
                if isinstance(message, ServerSetup):
                    options = {name: float(value or 0) for name, value in message.options.items()}
                    send(Hello(versions(())["r3d-tui"], runtime="null", host="played", chips=CHIPS, sees_videos=True))
                elif isinstance(message, ShardOrder):
                    due.append((max([time.monotonic(), *(at for at, _ in due)]) + options["shard_s"], message))
        now = time.monotonic()
        while due and due[0][0] <= now:
            answer(due.popleft()[1], options)
        if options and now >= beat:
            beat = now + BEAT_S
            chips = tuple(ServerChip(str(n), "working", 10 * n, 770.0 + n, 0.9 + n / 100) for n in range(CHIPS))
            send(ServerAlive(chips, 10, 0.95, 0.1, 0.93, "1.0"))


def answer(order: ShardOrder, options: dict[str, float]) -> None:
    results, classes = tuple(made(order, options["clips"])), int(options["classes"])
    rows = bytes(4 * classes * sum(len(one.crc) for one in results))
    send(ShardAnswer(order.lease, results, classes), rows)


def made(order: ShardOrder, clips: float) -> Iterator[VideoResult]:
    """So many clips a video on the average."""
    for place, one in enumerate(order.videos):
        count = int((place + 1) * clips) - int(place * clips)
        yield VideoResult(one.video, count, tuple(random.randrange(1 << 32) for _ in range(count)))


def send(message: Message, body: bytes = b"") -> None:
    sys.stdout.buffer.write(to_frame(message, body))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
