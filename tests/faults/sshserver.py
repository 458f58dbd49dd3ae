"""Debian's sshd on the loopback, with keys, a port and a configuration of its own, and sessions that are let go of."""

from __future__ import annotations

import fcntl
import getpass
import os
import pty
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.demo_runs import ROOT

SEPARATION = Path("/run/sshd")
"""The empty folder that sshd of root wants to be there; Debian's start script makes it."""


class SshServer:
    """A running sshd and the command that reaches it."""

    def __init__(self, folder: Path, daemon: str) -> None:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "user.pub").rename(folder / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        lines = (f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", "PidFile none", "UsePAM no",
                 f"AuthorizedKeysFile {folder}/authorized", "StrictModes no", "PasswordAuthentication no",
                 "PermitRootLogin prohibit-password", "Subsystem sftp internal-sftp")  # fmt: skip
        (folder / "config").write_text("\n".join(lines) + "\n")
        self.log = folder / "log"
        self._key = folder / "user"
        command = [daemon, "-D", "-f", str(folder / "config"), "-E", str(self.log)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def options(self) -> list[str]:
        """What `ssh` is told: our key, no file of the user's, no questions."""
        told = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
                "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", f"IdentityFile={self._key}",
                f"Port={self.port}")  # fmt: skip
        return ["-F", "/dev/null", *(part for text in told for part in ("-o", text))]

    def command(self, folder: Path, *arguments: str, terminal: bool = False) -> list[str]:
        """`ssh` that runs `r3d-tui` in a folder there, and leaves its pid in `<folder>/face.pid`."""
        known = (f"PYTHONPATH={ROOT}", "LC_ALL=C.UTF-8", "TERM=xterm-256color")
        face = shlex.join(["env", *known, sys.executable, "-m", "r3d_tui.cli", *arguments])
        there = f"cd {shlex.quote(str(folder))} && echo $$ > face.pid && exec {face}"
        return ["ssh", *self.options, *(["-tt"] if terminal else []), f"{getpass.getuser()}@127.0.0.1", there]

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`r3d-tui` over a connection without a terminal, to its end."""
        command = self.command(folder, *arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def answers(self) -> bool:
        """Whether it listens by now."""
        with socket.socket() as peer:
            return peer.connect_ex(("127.0.0.1", self.port)) == 0


class SshTerminal:
    """`r3d-tui` in a terminal of its own behind `ssh -tt`."""

    def __init__(self, server: SshServer, folder: Path, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""
        self._terminal = ours
        command = server.command(folder, *arguments, terminal=True)
        self.client = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)

    def until(self, when: Callable[[], bool], seconds: float = 60) -> None:
        """Read what it paints until something holds; fails the test where it never does."""
        end = time.monotonic() + seconds
        while not when():
            assert time.monotonic() < end, self.seen[-2000:]
            if select.select([self._terminal], [], [], 0.05)[0]:
                with suppress(OSError):
                    self.seen += os.read(self._terminal, 1 << 16)

    def drop(self) -> None:
        """Kill the client, whatever it does, and close its terminal."""
        with suppress(ProcessLookupError):
            self.client.kill()
        self.client.wait()
        with suppress(OSError):
            os.close(self._terminal)


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """A server for the block; the test is skipped where sshd or ssh is not installed."""
    daemon = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if daemon is None or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        pytest.skip("sshd is not here (apt install openssh-server openssh-client)")
    made = os.geteuid() == 0 and not SEPARATION.exists()
    if made:
        SEPARATION.mkdir(mode=0o755)
    folder.mkdir(mode=0o700)
    server = SshServer(folder, daemon)
    try:
        until = time.monotonic() + 20
        while not server.answers():
            assert server.process.poll() is None, server.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        yield server
    finally:
        server.process.terminate()
        server.process.wait()
        if made:
            SEPARATION.rmdir()


def parent(pid: int) -> int:
    """The pid of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def name(pid: int) -> str:
    """What the kernel calls a process."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def kill(pid: int) -> None:
    """kill -9; one that has ended already is no matter."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def until(when: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds; fails the test where it never does."""
    end = time.monotonic() + seconds
    while not when():
        assert time.monotonic() < end
        time.sleep(0.05)
