"""A Ray cluster of three nodes, each in a network namespace of its own: what one machine gives, whoever is killed.

Skipped without Ray, root or the tools that make namespaces.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

from backends import api
from backends.cluster.ray_carrier import check_token
from backends.cluster.ray_driver import CAME, GONE, PacketReader, packet
from backends.core.messages import InputError

NODES = (1, 2, 3)
HERE = f"r3d{os.getpid()}"
HEALTH = {"period_ms": "1000", "timeout_ms": "2000", "failure_threshold": "5"}
LIMIT_S = 150


def needs() -> str:
    """Why the cluster cannot be made here; empty: it can."""
    if find_spec("ray") is None:
        return "ray is not installed"
    if os.geteuid():
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "unshare", "mount", "hostname") if shutil.which(tool) is None]
    return f"{', '.join(missing)} not here" if missing else ""


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)


class Nodes:
    """Three nodes behind one bridge, and commands that run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        self.environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_worker_niceness": "0",
            **{f"RAY_health_check_{name}": value for name, value in HEALTH.items()},
        }
        self.net = os.getpid() % 200 + 20
        self.address = f"10.{self.net}.77.1:6379"

    def begin(self) -> None:
        bridge = f"{HERE}b"
        ip("link", "add", bridge, "type", "bridge")
        ip("link", "set", bridge, "up")
        for node in NODES:
            ip("netns", "add", f"{HERE}-{node}")
            ip("link", "add", f"{HERE}v{node}", "type", "veth", "peer", "name", "eth0", "netns", f"{HERE}-{node}")
            ip("link", "set", f"{HERE}v{node}", "master", bridge)
            ip("link", "set", f"{HERE}v{node}", "up")
            for words in (("addr", "add", f"10.{self.net}.77.{node}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                          ("link", "set", "lo", "up")):  # fmt: skip
                ip("-n", f"{HERE}-{node}", *words)
            self._start(node)

    def _start(self, node: int) -> None:
        where = ("--head", "--port=6379", "--include-dashboard=false") if node == 1 else (f"--address={self.address}",)
        started = self.run(
            node,
            ("-m", "ray.scripts.scripts", "start", *where, f"--node-ip-address=10.{self.net}.77.{node}",
             f"--temp-dir=/tmp/{HERE}-{node}", "--object-store-memory=104857600", "--disable-usage-stats",
             "--num-cpus=2"),
        )  # fmt: skip
        assert 0 == started.returncode, started.stdout

    def run(self, node: int, words: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
        """A Python command to its end."""
        with self.spawn(node, words, **environment) as process:
            out, _ = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(words, process.returncode, out)

    def spawn(self, node: int, words: tuple[str, ...], **environment: str) -> subprocess.Popen[str]:
        inside = f'hostname server-{node}; mount -t tmpfs -o size=512m tmpfs /dev/shm; exec "$@"'
        command = ("ip", "netns", "exec", f"{HERE}-{node}", "unshare", "-m", "-u", "bash", "-c", inside, "_")
        return subprocess.Popen(
            (*command, sys.executable, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**self.environment, **environment},
        )

    def pids(self, node: int) -> list[int]:
        found = subprocess.run(("ip", "netns", "pids", f"{HERE}-{node}"), capture_output=True, check=False, text=True)
        return [int(pid) for pid in found.stdout.split()]

    def named(self, node: int, word: bytes) -> list[int]:
        """Processes of a node by a word of their command line."""
        return [pid for pid in self.pids(node) if word in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def end(self) -> None:
        for node in NODES:
            for pid in self.pids(node):
                os.kill(pid, signal.SIGKILL)
            subprocess.run(("ip", "netns", "del", f"{HERE}-{node}"), check=False)
            shutil.rmtree(f"/tmp/{HERE}-{node}", ignore_errors=True)
        subprocess.run(("ip", "link", "del", f"{HERE}b"), check=False)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    if reason := needs():
        pytest.skip(reason)
    made = Nodes(tmp_path_factory.mktemp("ray"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def demo(nodes: Nodes) -> Path:
    api.build_demo(nodes.folder / "demo")
    return nodes.folder / "demo"


def r3d(demo: Path, *words: str) -> tuple[str, ...]:
    return ("-m", "r3d_tui", "-w", str(demo), *words)


def states(output: str) -> dict[str, str]:
    """The end of each stage in the lines of a headless run."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines() if line[:1].isalpha()}


@pytest.mark.slow
def test_three_nodes_give_what_one_machine_gives(nodes: Nodes, demo: Path) -> None:
    """With a raylet killed on the way; the run without servers afterwards is up to date throughout."""
    with nodes.spawn(1, r3d(demo, "run", "--headless", "--cluster", nodes.address)) as process:
        until = time.monotonic() + 60
        while not nodes.named(3, b"server_process") and time.monotonic() < until:
            time.sleep(0.05)
        for pid in nodes.named(3, b"raylet/raylet"):
            os.kill(pid, signal.SIGKILL)
        out, _ = process.communicate(timeout=LIMIT_S)
    assert 0 == process.returncode, out
    assert "top-1 0.9625" in out
    alone = subprocess.run(
        (sys.executable, *r3d(demo, "run", "--headless")), capture_output=True, check=True, text=True
    )
    found = states(alone.stdout)
    assert all(found[stage].startswith("up to date") for stage in ("preprocess", "infer", "score", "evaluate")), found
    assert [] == [pid for node in (1, 2) for pid in nodes.named(node, b"server_process")]


@pytest.mark.slow
def test_the_servers_are_listed_by_their_host_names(nodes: Nodes, demo: Path) -> None:
    """The dead node is not among them."""
    done = nodes.run(1, r3d(demo, "cluster", "--json", "--cluster", nodes.address))
    start = done.stdout.index("{")
    servers = json.JSONDecoder().raw_decode(done.stdout[start:])[0]["servers"]
    assert {"server-1", "server-2"} <= {server["name"] for server in servers}
    assert all(server["sees_videos"] for server in servers if server["reason"] is None)


@pytest.mark.slow
def test_a_wrong_token_is_reported_in_seconds(nodes: Nodes, demo: Path, tmp_path: Path) -> None:
    """Not after Ray's own half minute."""
    wrong = tmp_path / "token"
    wrong.touch(0o600)
    wrong.write_text("0" * 64)
    begun = time.monotonic()
    done = nodes.run(1, r3d(demo, "cluster", "--cluster", nodes.address), RAY_AUTH_TOKEN_PATH=str(wrong))
    assert (2, True) == (done.returncode, "does not take our token" in done.stdout)
    assert time.monotonic() - begun < 15


def test_no_cluster_is_joined_without_a_token(tmp_path: Path) -> None:
    """Unless the settings allow an open one; a token that cannot be read is named."""
    with pytest.raises(InputError, match="without a token"):
        check_token({}, is_open_allowed=False)
    check_token({}, is_open_allowed=True)
    token = tmp_path / "token"
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    with pytest.raises(InputError, match="no token"):
        check_token(environment, is_open_allowed=True)
    token.touch()
    check_token(environment, is_open_allowed=False)


def test_packets_arrive_however_they_are_cut() -> None:
    """Between the stage and Ray's driver."""
    sent = [(CAME, "server-1", b"\0" * 70), (GONE, "服务器", b"")]
    stream, reader = b"".join(packet(*one) for one in sent), PacketReader()
    assert sent == [found for at in range(len(stream)) for found in reader.feed(stream[at : at + 1])]
