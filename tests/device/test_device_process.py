"""The process of a device: its protocol, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.core.processes import child_environment
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import Answer, AnswerStream, DeviceSetup, Order, to_bytes
from backends.inference.device_link import MAIN
from tests.inference.rig import CLASSES


def spawn(store: Path, **options: Any) -> subprocess.Popen[bytes]:
    """A device with the faulty runtime and batches of four."""
    device = DeviceSpec("cpu:0", 0, (min(os.sched_getaffinity(0)),), {"classes": CLASSES, **options})
    child = subprocess.Popen(
        [sys.executable, str(MAIN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(store),
    )
    assert child.stdin is not None
    child.stdin.write(
        to_bytes(DeviceSetup(os.getpid(), "tests.inference.faulty:Faulty", str(store), str(store), 4, device))
    )
    child.stdin.flush()
    return child


def answers(child: subprocess.Popen[bytes]) -> Iterator[tuple[Answer, bytes]]:
    """What it says, until its end."""
    frames = AnswerStream()
    assert child.stdout is not None
    while data := os.read(child.stdout.fileno(), 100):  # small pieces, as a pipe may give them
        yield from frames.feed(data)


def order(child: subprocess.Popen[bytes], *orders: Order) -> None:
    """Send orders."""
    assert child.stdin is not None
    child.stdin.write(b"".join(map(to_bytes, orders)))
    child.stdin.flush()


def end(child: subprocess.Popen[bytes]) -> int:
    """Its exit code; pipes closed."""
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()
    return child.wait(10)


def test_a_device_answers_orders_and_closes(store: Path) -> None:
    """It comes up, answers in order with the clips' scores, and ends with 0; what libraries print is elsewhere."""
    child = spawn(store)
    order(child, Order(1, (5, 0, 37, 9)), Order(2, (3,)), Order(close=True))
    said = list(answers(child))
    assert ["started", "ready", "scores", "scores", "closed"] == [answer.kind for answer, _ in said]
    assert ("faulty 1", CLASSES) == (said[1][0].version, said[1][0].classes)
    assert [(1, 4), (2, 1)] == [(answer.lease, answer.rows) for answer, _ in said[2:4]]
    scores = np.frombuffer(said[2][1] + said[3][1], np.float32).reshape(5, CLASSES)
    assert len(np.unique(scores, axis=0)) == 5
    assert 0 == end(child)


def test_clips_that_cannot_be_read_are_refused_and_others_go_on(store: Path) -> None:
    """A number outside the store is refused under its lease; the next order is computed."""
    child = spawn(store)
    order(child, Order(1, (5, 99)), Order(2, (5,)), Order(close=True))
    said = [answer for answer, _ in answers(child)]
    assert [("refused", 1), ("scores", 2)] == [(answer.kind, answer.lease) for answer in said[2:4]]
    assert "99" in str(said[2].reason)
    assert 0 == end(child)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [("error", 1, "RuntimeError: aicore"), ("shape", 1, "the runtime gave (3, 5)"), ("input", 2, "not a model")],
)
def test_a_fault_is_said_before_the_end(store: Path, fault: str, code: int, words: str) -> None:
    """An exception becomes one line with its exit code; the process ends with the same."""
    child = spawn(store, fault=fault)
    order(child, Order(1, (5,)))
    last = [answer for answer, _ in answers(child)][-1]
    assert ("failed", code) == (last.kind, last.exit_code)
    assert words in str(last.reason)
    assert code == end(child)


def test_a_device_ends_with_its_standard_input(store: Path) -> None:
    """At the end of the lifeline it is gone at once, even within a hanging batch."""
    child = spawn(store, fault="hang")
    order(child, Order(1, (5,)))
    said = answers(child)
    assert ["started", "ready"] == [next(said)[0].kind, next(said)[0].kind]
    time.sleep(0.1)
    assert 1 == end(child)


def test_a_device_is_pinned_to_its_cores(store: Path) -> None:
    """Its threads may run on the cores that it was given and on no other."""
    child = spawn(store)
    said = answers(child)
    next(said)
    next(said)
    assert {min(os.sched_getaffinity(0))} == os.sched_getaffinity(child.pid)
    end(child)


PARENT = """
import json, os, sys, time
from pathlib import Path
from backends.inference.device_link import ProcessLink
from backends.device.model_runtime import DeviceSpec
from backends.device.protocol import DeviceSetup
store = Path(sys.argv[1])
setup = DeviceSetup(os.getpid(), "tests.inference.faulty:Faulty", str(store), str(store), 4, DeviceSpec("cpu:0"))
links = [ProcessLink(setup, store) for _ in range(2)]
print(json.dumps([link.pid for link in links]), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("after", [0.0, 0.02, 0.15, 0.6])
def test_devices_die_with_a_killed_stage(store: Path, after: float, stopped: bool) -> None:
    """However young its devices are, and even where one was stopped, a stage's kill -9 leaves none of them."""
    command = [sys.executable, "-c", PARENT, str(store)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment(store))
    assert parent.stdout is not None
    pids = json.loads(parent.stdout.readline())
    time.sleep(after)
    if stopped:
        os.kill(pids[0], signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 10
    while any(map(_alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    left = [pid for pid in pids if _alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert [] == left


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
