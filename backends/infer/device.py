"""`python -m backends.infer.device`: the process of one device. It opens a runtime once and computes what it is given.

Three threads: one reads orders, one reads their clips from the store ahead of time, the main one computes and answers.
Descriptor 1 belongs to the protocol and libraries print to the log. The end of standard input, or of the stage's
process, ends it at once. It refuses to know queues, retries and files of scores.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from backends.contract.codec import loads
from backends.contract.errors import R3dError
from backends.contract.lines import Line, line
from backends.contract.process import die_with_parent
from backends.infer.runtime import CLIP_SHAPE, Runtime, load
from backends.infer.wire import Answer, Order, Setup, to_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BUFFERS = 3
"""Batches in memory: one in compute, one loaded, one being loaded."""


class Clips(Protocol):
    """What a device needs of a clip store."""

    def batch(self, numbers: Sequence[int], out: NDArray[np.float32] | None = None, pad_to: int | None = None) -> Any:
        """Clips (n, 3, 16, 112, 112), float32, into `out`; slots beyond them are zero."""
        ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    order: Order
    buffer: NDArray[np.float32]
    trouble: Line | None = None


def main() -> int:
    """Serve until told to close; the exit code is 0 then, 1 where the device failed, 2 and 3 as in the error tree."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    first = sys.stdin.buffer.readline()
    if not first:
        return 1
    setup = loads(Setup, first)
    die_with_parent(setup.parent)

    def say(answer: Answer, body: bytes = b"") -> None:
        data = to_bytes(answer) + body
        while data:
            data = data[out.write(data) :]

    code = 0
    try:
        _serve(setup, say)
    except R3dError as error:
        traceback.print_exc()
        code = error.exit_code
        say(Answer("failed", reason=error.line, hint=error.hint, exit_code=code))
    except Exception as error:  # noqa: BLE001 - the boundary: one line goes up, the traceback into the log
        traceback.print_exc()
        code = 1
        text = line("{error}: {text}", error=type(error).__name__, text=str(error).strip()[:300])
        say(Answer("failed", reason=text, exit_code=code))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of native libraries must not hold the end back


def _serve(setup: Setup, say: Callable[..., None]) -> None:
    if setup.device.cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # a container may have shrunk since the stage looked
            os.sched_setaffinity(0, setup.device.cores)
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), name="orders", daemon=True).start()
    say(Answer("started"))
    import numpy as np

    store = _open_clips(setup)
    runtime = load(setup.runtime)
    classes = runtime.open(setup.model, setup.device, setup.batch)
    buffers = [np.zeros((setup.batch, *CLIP_SHAPE), np.float32) for _ in range(BUFFERS)]
    begun = time.monotonic()
    _compute(runtime, buffers[0], classes)
    say(Answer("ready", classes=classes, seconds=time.monotonic() - begun, version=runtime.version))
    free: queue.SimpleQueue[NDArray[np.float32]] = queue.SimpleQueue()
    loaded: queue.SimpleQueue[_Loaded] = queue.SimpleQueue()
    for buffer in buffers:
        free.put(buffer)
    threading.Thread(target=_read_ahead, args=(store, orders, free, loaded), name="clips", daemon=True).start()
    _work(runtime, classes, loaded, free, say)
    runtime.close()
    say(Answer("closed"))


def _work(
    runtime: Runtime,
    classes: int,
    loaded: queue.SimpleQueue[_Loaded],
    free: queue.SimpleQueue[NDArray[np.float32]],
    say: Callable[..., None],
) -> None:
    while True:
        idle = time.monotonic()
        item = loaded.get()
        begun = time.monotonic()
        order, rows = item.order, len(item.order.clips)
        if order.close:
            return
        if item.trouble is not None:
            say(Answer("refused", order.lease, reason=item.trouble))
        else:
            logits = _compute(runtime, item.buffer, classes)
            seconds = time.monotonic() - begun
            answer = Answer("scores", order.lease, rows, classes, seconds, begun - idle)
            say(answer, logits[:rows].astype("<f4", copy=False).tobytes())
        free.put(item.buffer)


def _compute(runtime: Runtime, batch: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    logits = runtime.run(batch)
    if logits.shape != (len(batch), classes):
        raise ValueError(f"the runtime gave {logits.shape}, not {(len(batch), classes)}")
    return logits


def _read_ahead(
    store: Clips,
    orders: queue.SimpleQueue[Order],
    free: queue.SimpleQueue[NDArray[np.float32]],
    loaded: queue.SimpleQueue[_Loaded],
) -> None:
    """Fill free buffers with the clips of the orders, in order, until the one that closes."""
    while True:
        order, buffer, trouble = orders.get(), free.get(), None
        try:
            if order.clips:
                store.batch(order.clips, out=buffer, pad_to=len(buffer))
        except R3dError as error:
            trouble = error.line
        except Exception as error:  # noqa: BLE001 - whatever it is, these clips cannot be read, and others may be
            traceback.print_exc()
            trouble = line("{error}: {text}", error=type(error).__name__, text=str(error).strip()[:300])
        loaded.put(_Loaded(order, buffer, trouble))
        if order.close:
            return


def _listen(stream: IO[bytes], orders: queue.SimpleQueue[Order]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for text in iter(stream.readline, b""):
            orders.put(loads(Order, text))
    os._exit(1)


def _open_clips(setup: Setup) -> Clips:
    module, _, kind = setup.clips.partition(":")
    return cast(Clips, getattr(importlib.import_module(module), kind).open(setup.store))


if __name__ == "__main__":
    sys.exit(main())
