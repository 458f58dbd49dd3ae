"""The process of one device: it opens a runtime once and computes the clips of the leases that it is given.

Three threads: one reads orders, one reads their clips from the store ahead of time (and has them brought to a chip's
memory), the main one computes and answers.
Descriptor 1 belongs to the protocol and libraries print to the log. The end of standard input, or of the stage's
process, ends it at once. It knows no queues, retries and files of scores.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from backends.device import clip_kernels
from backends.device.failures import DeviceError, Message, in_one_line, likely_fix
from backends.device.lifeline import die_with_parent
from backends.device.model_runtime import Runtime, load, staging
from backends.device.protocol import Answer, DeviceSetup, Order, to_bytes, to_order, to_setup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    import numpy as np
    from numpy.typing import NDArray

    class Clips(Protocol):
        """What a device needs of a clip store: its clips, and in its `header` their shape."""

        header: Any

        def batch(self, numbers: Sequence[int], out: NDArray[Any], *, pad_to: int | None = None) -> Any:
            """Clips, float32 or uint8 as `out` is, into `out`; slots beyond them are zero."""


BUFFERS = 3
"""Batches in memory: one in compute, one loaded, one being loaded."""
READ_NICE = 5
"""Of the thread that reads ahead, so that eight chips' answers and orders do not wait behind copying clips: on two
cores eight 310P were busy 91 % of their time with it and 89 without (bytes; means of three runs each)."""
CLOSE_S = 8
"""How long releasing may take; then the kernel ends the process, whatever a driver holds it in."""


class _Loaded(NamedTuple):
    order: Order
    buffer: NDArray[Any]
    unreadable: Message | None = None
    """Why the clips cannot be read."""
    fault: Exception | None = None
    """The device could not be brought the batch."""


def main() -> int:
    """Serve until asked to close; the exit code is 0 then, 1 where the device failed, 2 and 3 as in the error tree."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    first = sys.stdin.buffer.readline()
    if not first:
        return 1
    setup = to_setup(first)
    die_with_parent(setup.parent)

    def say(answer: Answer, body: bytes = b"") -> None:
        data = to_bytes(answer) + body
        while data:
            data = data[out.write(data) :]

    code = _serve(setup, say)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of native libraries must not hold the end back


def _serve(setup: DeviceSetup, say: Callable[..., None]) -> int:
    if setup.device.cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # a container may have shrunk since the stage looked
            os.sched_setaffinity(0, setup.device.cores)
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), name="orders", daemon=True).start()
    say(Answer("started"))
    runtime: Runtime | None = None
    reader: _Reader | None = None
    code = 0
    try:
        store: Clips = load(setup.clips).open(Path(setup.store))
        opened: Runtime = load(setup.runtime)()
        runtime = opened
        shape = (setup.batch, *store.header.shape)
        classes = opened.open(Path(setup.model), setup.device, shape)
        reader = _Reader(store, orders, opened, shape)
        begun = time.monotonic()
        _compute(opened, reader.buffers[0], classes)
        say(Answer("ready", classes=classes, seconds=time.monotonic() - begun, version=opened.version))
        reader.start()
        _work(opened, classes, reader, say)
    except Exception as error:  # noqa: BLE001 - the boundary: one line goes up, a fault's traceback into the log
        if not isinstance(error, DeviceError):  # which says all that a person can use
            traceback.print_exc()
        failed = _failed(error)
        say(failed)
        code = failed.exit_code
    signal.alarm(CLOSE_S)
    if (reader is None or reader.stop()) and runtime is not None:
        runtime.close()
    if not code:
        say(Answer("closed"))
    return code


def _failed(error: Exception) -> Answer:
    if not isinstance(error, DeviceError):
        return Answer("failed", reason=in_one_line(error), hint=Message(likely_fix(error)), exit_code=1)
    return Answer(
        "failed",
        reason=error.reason,
        hint=error.hint,
        exit_code=error.exit_code,
        policy=error.policy,
        blame=error.blame,
    )


def _work(runtime: Runtime, classes: int, reader: _Reader, say: Callable[..., None]) -> None:
    import numpy as np

    while True:
        item = reader.loaded.get()
        begun = time.monotonic()
        order, rows = item.order, len(item.order.clips)
        if order.close:
            return
        if item.fault is not None:
            raise item.fault
        if item.unreadable is not None:
            say(Answer("refused", order.lease, reason=item.unreadable))
        else:
            logits = _compute(runtime, item.buffer, classes)[:rows]
            seconds = time.monotonic() - begun
            if np.isfinite(logits).all():
                answer = Answer("scores", order.lease, rows, classes, seconds)
                say(answer, logits.astype("<f4", copy=False).tobytes())
            else:
                say(Answer("unusable", order.lease, seconds=seconds))
        reader.free.put(item.buffer)


def _compute(runtime: Runtime, batch: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    logits = runtime.run(batch)
    if logits.shape != (len(batch), classes):
        raise ValueError(f"the runtime gave {logits.shape}, not {(len(batch), classes)}")
    return logits


class _Reader:
    """Fills free buffers with the clips of the orders, in order, in a thread, until the order that closes."""

    def __init__(
        self, store: Clips, orders: queue.SimpleQueue[Order], runtime: Runtime, shape: tuple[int, ...]
    ) -> None:

        self._store, self._orders, self._staging = store, orders, staging(runtime)
        self.loaded: queue.SimpleQueue[_Loaded] = queue.SimpleQueue()
        self.free: queue.SimpleQueue[NDArray[Any] | None] = queue.SimpleQueue()
        if self._staging is not None:
            self.buffers = self._staging.buffers(BUFFERS)
        else:
            self.buffers = [clip_kernels.buffer(shape, "float32") for _ in range(BUFFERS)]
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        for buffer in self.buffers:
            self.free.put(buffer)
        self._thread.start()

    def stop(self) -> bool:
        """End the thread, which must not write where memory is released; False where it does not end."""
        if self._thread.is_alive():
            self.free.put(None)
            self._orders.put(Order(close=True))
            self._thread.join(CLOSE_S / 2)
        return not self._thread.is_alive()

    def _run(self) -> None:
        _give_way()
        while True:
            order = self._orders.get()
            if order.close:
                self.loaded.put(_Loaded(order, self.buffers[0]))
                return
            buffer = self.free.get()
            if buffer is None:
                return
            item = self._load(order, buffer)
            self.loaded.put(item)
            if item.fault is not None:
                return

    def _load(self, order: Order, buffer: NDArray[Any]) -> _Loaded:
        try:
            read: Any = self._store.batch
            if order.crc:
                read(order.clips, out=buffer, pad_to=len(buffer), crc=order.crc)
            else:
                read(order.clips, out=buffer, pad_to=len(buffer))
        except DeviceError as error:
            return _Loaded(order, buffer, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, these clips cannot be read, and others may be
            traceback.print_exc()
            return _Loaded(order, buffer, in_one_line(error))
        try:
            if self._staging is not None:
                self._staging.stage(buffer)
        except Exception as error:  # noqa: BLE001 - raised by the main thread, as a failure of the device
            return _Loaded(order, buffer, fault=error)
        return _Loaded(order, buffer)


def _give_way() -> None:
    """Let threads that compute go before this one, which reads ahead: Linux has a niceness for each thread."""
    if hasattr(os, "setpriority") and hasattr(threading, "get_native_id"):  # Python 3.8
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), READ_NICE)


def _listen(stream: IO[bytes], orders: queue.SimpleQueue[Order]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for text in iter(stream.readline, b""):
            orders.put(to_order(text))
    os._exit(1)
