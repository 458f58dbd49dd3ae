"""A Ray cluster of three nodes, each in a network namespace of its own: what one machine gives."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

NODES = (1, 2, 3)
HERE = f"r3d{os.getpid()}"
HEALTH = {"period_ms": "1000", "timeout_ms": "2000", "failure_threshold": "5"}
LIMIT_S = 150
RAYLET = b"raylet/raylet"


def named(pids: Iterable[int], word: bytes) -> list[int]:
    """Those of which the command line holds a word."""
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


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
        return named(self.pids(node), word)

    def link(self, node: int, state: str) -> None:
        """Set the node's link `up` or `down`."""
        ip("link", "set", f"{HERE}v{node}", state)

    def revive(self) -> None:
        """Start Ray again on the nodes where it has ended; on all of them where the head's control service has."""
        dead = NODES if not self.named(1, b"gcs_server") else [one for one in NODES if not self.named(one, RAYLET)]
        for node in dead:
            for pid in self.pids(node):
                os.kill(pid, signal.SIGKILL)
        for node in dead:
            self._start(node)

    def end(self) -> None:
        for node in NODES:
            for pid in self.pids(node):
                os.kill(pid, signal.SIGKILL)
            subprocess.run(("ip", "netns", "del", f"{HERE}-{node}"), check=False)
            subprocess.run(("ip", "link", "del", f"{HERE}v{node}"), check=False)  # sockets keep its namespace a while
            shutil.rmtree(f"/tmp/{HERE}-{node}", ignore_errors=True)
        subprocess.run(("ip", "link", "del", f"{HERE}b"), check=False)
