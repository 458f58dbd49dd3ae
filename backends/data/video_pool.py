"""Work on many videos in processes of their own, given back in order: the stages frames and preprocess decode by it.

Processes rather than threads: one interpreter's lock ends near 4,500 frames/s whatever the machine, and a decoder that
crashes on a video takes only its process along (docs/decisions/0015-datasets.md). Forks of the stage's process where
that has no other threads, so that a small data set does not pay for imports.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from backends.core.messages import Stopped
from backends.core.processes import LIFELINE, die_with_parent

Check = Callable[[], None]
"""Called every now and then; what it raises ends the work."""
T = TypeVar("T")
R = TypeVar("R")

VIDEOS_A_PROCESS = 4
"""Fewer videos than this for each process are not worth its start (0.5 s)."""
AHEAD = 8
"""Videos a process that may be made before the first of them is: bounds what waits for its turn."""
TRIES = 3
"""Times that a video is tried alone: a kill from outside is not its fault, and may come again."""

_stop: Any = None
"""In a process of the pool: a shared number, which is not 0 once its work is to end."""


def in_order(
    tasks: Iterable[T], workers: int, make: Callable[[T, Check], R], check: Check
) -> Generator[tuple[T, R | None], None, None]:
    """What `make` gives of each task, in order; None where the process that was at it died, also by itself alone.

    `check` is called at least twice a second.
    """
    left = deque(tasks)
    processes = min(workers, len(left) // VIDEOS_A_PROCESS)
    if processes < 2:
        for task in left:
            yield task, make(task, check)
            check()
        return
    while left:
        for task, future in (yield from _side_by_side(left, processes, make, check)):
            if future.done() and not future.cancelled() and future.exception() is None:
                yield task, future.result()
            elif not (yield from _alone(task, make, check)):  # one of them crashed it, or it was killed
                yield task, None


def apart(task: T, make: Callable[[T, Check], R], check: Check) -> R | None:
    """What `make` gives of one task in a process of its own; None where that died each time."""
    return next((made for _, made in list(_alone(task, make, check))), None)


def _alone(task: T, make: Callable[[T, Check], R], check: Check) -> Generator[tuple[T, R | None], None, bool]:
    """Give what `make` gives of it; False where its process died each time."""
    for _ in range(TRIES):
        if not (yield from _side_by_side(deque((task,)), 1, make, check)):
            return True
    return False


def _side_by_side(
    left: deque[T], processes: int, make: Callable[[T, Check], R], check: Check
) -> Generator[tuple[T, R | None], None, list[tuple[T, Future[R]]]]:
    """Work `left` off until it is empty or a process of the pool died: then what had begun and was not given yet."""
    context = get_context("fork" if _is_alone() else "spawn")
    stop = context.RawValue("b", 0)  # no Event: a killed process would never release its lock
    begun: deque[tuple[T, Future[R]]] = deque()
    pool = ProcessPoolExecutor(processes, context, _begin, (stop, os.getpid()))
    try:
        while left or begun:
            while left and len(begun) < AHEAD * processes:
                task = left.popleft()
                begun.append((task, pool.submit(_make, make, task)))
            task, future = begun[0]
            if wait((future,), 0.5).done:
                made = future.result()
                begun.popleft()
                yield task, made
            check()
    except BrokenProcessPool:
        return list(begun)
    finally:
        stop.value = 1
        pool.shutdown(cancel_futures=True)
    return []


def _is_alone() -> bool:
    """Whether this process has no thread but the lifeline: what another holds at a fork stays locked in the child.

    A fork takes 10 ms, where a process that imports NumPy and the decoders again takes 0.3 s of a core.
    """
    threads = sum(thread.name == LIFELINE for thread in threading.enumerate()) + 1
    return len(os.listdir("/proc/self/task")) == threads  # noqa: PTH208 - names, quickly


def _begin(stop: Any, parent: int) -> None:
    global _stop  # noqa: PLW0603 - a process has one
    die_with_parent(parent)
    _stop = stop


def _make(make: Callable[[T, Check], R], task: T) -> R:
    return make(task, _check_pool)


def _check_pool() -> None:
    if _stop is not None and _stop.value:
        raise Stopped
