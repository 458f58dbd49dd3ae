"""Servers played by processes of this machine: for tests, and to practise before a cluster is there."""

import contextlib
import os
import selectors
import subprocess
import time
from pathlib import Path

from backends.core.processes import child_environment, python_command

SERVER = "backends.cluster.server_process"
CLOSE_S = 2.0
"""How long the processes may take to end by themselves."""


class LocalCarrier:
    """`local:N`. The processes stay in the stage's group, and end with it."""

    def __init__(self, count: int, workspace: Path, module: str = SERVER) -> None:
        """`module`: what a server runs; a bench plays it."""
        self._module = module
        self._names = tuple(f"local-{number}" for number in range(1, count + 1))
        self._workspace = workspace
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._unsent: dict[str, bytearray] = {}
        self._selector = selectors.DefaultSelector()

    def servers(self) -> tuple[str, ...]:
        return self._names

    def start(self, server: str) -> None:
        process = subprocess.Popen(
            python_command(self._module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(self._workspace),
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        self._processes[server], self._unsent[server] = process, bytearray()
        self._selector.register(process.stdout, selectors.EVENT_READ, server)

    def give(self, server: str, data: bytes) -> None:
        if server in self._processes:
            self._unsent[server] += data
            self._flush(server)

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        for server in self._processes:
            self._flush(server)
        found: list[tuple[str, bytes | None]] = []
        for key, _ in self._selector.select(min(seconds, 0.02) if any(self._unsent.values()) else seconds):
            data = os.read(key.fd, 1 << 20)
            found.append((key.data, data or None))
            if not data:
                self.kill(key.data)
        return found

    def kill(self, server: str) -> None:
        process = self._processes.pop(server, None)
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        self._selector.unregister(process.stdout)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def close(self) -> None:
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()  # it removes its scratch folder, and ends
        until = time.monotonic() + CLOSE_S
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        for server in list(self._processes):
            self.kill(server)
        self._selector.close()

    def _flush(self, server: str) -> None:
        unsent, pipe = self._unsent[server], self._processes[server].stdin
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while unsent and pipe is not None:
                del unsent[: os.write(pipe.fileno(), memoryview(unsent)[: 1 << 20])]
