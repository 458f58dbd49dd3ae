"""Servers are killed, stopped and cut off at random: losses are noticed in time, and the digests are the same."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends import api
from backends.core.processes import leftovers
from backends.engine import lock
from backends.engine.folders import Folders
from tests.cluster.ray_nodes import LIMIT_S, RAYLET, Nodes, named, needs

pytestmark = pytest.mark.soak
HOST, RELAY = b"server_process", b"ray::ServerRelay"
SILENT_S = 30.0 + 2.0
"""`silent_s` and two heartbeats."""


class Servers:
    """The demo over `local:3`, or over three Ray nodes."""

    def __init__(self, folder: Path, nodes: Nodes | None) -> None:
        self.demo, self.nodes = folder / "demo", nodes
        self.address = nodes.address if nodes is not None else "local:3"
        api.build_demo(self.demo)
        self.start("run", "--headless", at=None).communicate(timeout=LIMIT_S)
        self.digests = self.found()

    def found(self) -> dict[str, list[str]]:
        """Digests of index and rows."""
        paths = {stage: self.demo.glob(f".r3d/artifacts/{stage}/*/manifest.json") for stage in ("preprocess", "infer")}
        return {
            stage: [json.loads(path.read_text())["outcome"]["digest"] for path in found]
            for stage, found in paths.items()
        }

    def start(self, *words: str, at: int | None = 1) -> subprocess.Popen[str]:
        """A command on the first node, or beside all nodes."""
        command = ("-m", "r3d_tui", "-w", str(self.demo), *words)
        if self.nodes is not None and at is not None:
            return self.nodes.spawn(at, command)
        return subprocess.Popen((sys.executable, *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str) -> subprocess.Popen[str]:
        """A run over the servers, in lines of JSON."""
        return self.start("run", "--headless", "--json", "--cluster", self.address, *words)

    def named(self, word: bytes) -> list[int]:
        """Processes of ours, and of Ray's nodes, by a word of their command line."""
        if self.nodes is not None:
            return [pid for node in (1, 2, 3) for pid in self.nodes.named(node, word)]
        holder = lock.owner(Folders(self.demo))
        engine = [holder.pid] if holder is not None and holder.pid else []
        groups = {group_of(pid) for pid in leftovers(self.demo)} - {0}
        return named([*(pid for pid in pids() if group_of(pid) in groups), *engine], word)

    def are_gone(self, seconds: float = 60.0) -> bool:
        """Whether every server's process has ended by then."""
        until = time.monotonic() + seconds
        while self.named(HOST) and time.monotonic() < until:
            time.sleep(0.5)
        return not self.named(HOST)


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def group_of(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return 0


@pytest.fixture(params=["local", "ray"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        nodes = None
        if request.param == "ray":
            if reason := needs():
                pytest.skip(reason)
            nodes = Nodes(tmp_path)
            stack.callback(nodes.end)
            nodes.begin()
        yield Servers(tmp_path, nodes)


def send(number: int, pids: list[int]) -> list[int]:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return pids


def seconds_to(process: subprocess.Popen[str], act: Callable[[], object], until: Callable[[Any], bool]) -> float | None:
    """From `act`, once the third server computes, to the first event that is waited for, None without; to the end."""
    acted = noticed = 0.0
    assert process.stdout is not None
    for text in process.stdout:
        event = json.loads(text) if text.startswith("{") else {}
        if not acted and event.get("state") == "working" and str(event.get("device", "")).endswith("3"):
            act()
            acted = time.monotonic()
        elif acted and not noticed and until(event):
            noticed = time.monotonic()
    process.communicate(timeout=LIMIT_S)
    return noticed - acted if noticed else None


LOSSES: dict[str, tuple[float, Callable[[Nodes], object]]] = {
    "server killed": (1.0, lambda nodes: send(signal.SIGKILL, nodes.named(3, HOST))),
    "actor killed": (1.0, lambda nodes: send(signal.SIGKILL, nodes.named(3, RELAY))),
    "raylet killed": (15.0, lambda nodes: send(signal.SIGKILL, nodes.named(3, RAYLET))),
    "server stopped": (SILENT_S, lambda nodes: send(signal.SIGSTOP, nodes.named(3, HOST))),
    "actor stopped": (SILENT_S, lambda nodes: send(signal.SIGSTOP, nodes.named(3, RELAY))),
    "link down": (SILENT_S, lambda nodes: nodes.link(3, "down")),
}


@pytest.mark.parametrize("servers", ["ray"], indirect=True)
def test_losses_over_ray_are_noticed_in_time(servers: Servers) -> None:
    """Each is a server that is dropped, after so many seconds at the most; equal digests."""
    nodes, over = servers.nodes, dict[str, float | None]()
    assert nodes is not None
    for name, (within, lose) in LOSSES.items():
        for _ in range(int(os.environ.get("R3D_SOAK_ROUNDS", "3"))):
            process = servers.run("--from", "preprocess")
            after = seconds_to(process, functools.partial(lose, nodes), lambda event: event.get("state") == "retired")
            nodes.link(3, "up")
            print(f"{name}: {after} s", flush=True)
            if after is None or after > within:
                over[name] = after
            assert (0, servers.digests) == (process.returncode, servers.found()), name
            assert servers.are_gone(), name
            send(signal.SIGKILL, nodes.named(3, RAYLET))  # one that was cut off ends by itself, but later
            nodes.revive()
    assert {} == over


@pytest.mark.parametrize("servers", ["ray"], indirect=True)
def test_a_run_ends_when_the_control_service_is_killed_and_a_new_head_goes_on(servers: Servers) -> None:
    """All servers are stopped with it: one line within 90 s."""
    nodes = servers.nodes
    assert nodes is not None
    process = servers.run("--from", "preprocess")
    after = seconds_to(
        process,
        lambda: send(signal.SIGSTOP, servers.named(HOST)) + send(signal.SIGKILL, nodes.named(1, b"gcs_server")),
        lambda event: event.get("kind") == "StageFailed",
    )
    print(f"control service killed: {after} s")
    assert 1 == process.returncode
    assert after is not None
    assert after < 90
    assert servers.are_gone()
    nodes.revive()
    servers.run().communicate(timeout=LIMIT_S)
    assert servers.digests == servers.found()


def faults(servers: Servers, chance: random.Random) -> dict[str, Callable[[], object]]:
    """By name; each hits one process of its kind, where there is one."""

    def one(number: int, word: bytes) -> list[int]:
        found = servers.named(word)
        return send(number, [chance.choice(found)] if found else [])

    def cut(nodes: Nodes, seconds: float) -> str:
        node = chance.choice((2, 3))
        nodes.link(node, "down")
        time.sleep(seconds)
        nodes.link(node, "up")
        return f"server-{node}"

    nodes, kill, stop = servers.nodes, signal.SIGKILL, signal.SIGSTOP
    found: dict[str, Callable[[], object]] = {
        "kill server": lambda: one(kill, HOST),
        "stop server": lambda: one(stop, HOST),
        "kill device": lambda: one(kill, b"device/__main__"),
        "stop device": lambda: one(stop, b"device/__main__"),
        "kill decoder": lambda: one(kill, b"multiprocessing.spawn"),
        "kill stage": lambda: one(kill, b"backends.worker\0"),
        "kill engine": lambda: one(kill, b"backends.engine.daemon"),
    }
    if nodes is not None:
        found |= {
            "kill actor": lambda: one(kill, RELAY),
            "stop actor": lambda: one(stop, RELAY),
            "kill driver": lambda: one(kill, b"ray_driver"),
            "kill raylet": lambda: send(kill, nodes.named(chance.choice((2, 3)), RAYLET)),
            "kill control service": lambda: send(kill, nodes.named(1, b"gcs_server")),
            "link down for 3 s": lambda: cut(nodes, 3.0),
            "link down for 45 s": lambda: cut(nodes, 45.0),
        }
    return found


def test_random_faults_give_the_digests_of_one_machine(servers: Servers) -> None:
    """One fault a round, at a random moment; a run that it ended with an error is run again, as a person would."""
    chance = random.Random(int(os.environ.get("R3D_SOAK_SEED", "17")))
    known = faults(servers, chance)
    for number in range(int(os.environ.get("R3D_SOAK_ROUNDS", "12"))):
        name, begun = chance.choice(sorted(known)), time.monotonic()
        process = servers.run("--from", "preprocess")
        while not servers.named(HOST) and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 4.0))
        hit = known[name]()
        out, _ = process.communicate(timeout=2 * LIMIT_S)
        runs, code = 1, process.returncode
        while code and runs < 4:
            if servers.nodes is not None:
                servers.nodes.revive()
            again = servers.run()
            out, code, runs = again.communicate(timeout=2 * LIMIT_S)[0], again.returncode, runs + 1
        seconds = time.monotonic() - begun
        print(f"round {number + 1}: {name}, hit {hit}, runs {runs}, {seconds:.1f} s", flush=True)
        assert (0, servers.digests) == (code, servers.found()), out
        assert servers.are_gone(), name
        if servers.nodes is not None:
            servers.nodes.revive()
