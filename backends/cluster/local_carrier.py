"""Servers played by processes of this machine: for tests, and to practise before a cluster is there."""

import selectors
import time
from pathlib import Path

from backends.cluster.piped_process import PipedProcess
from backends.core.processes import child_environment

SERVER = "backends.cluster.server_process"
CLOSE_S = 2.0
"""How long the processes may take to end by themselves."""


class LocalCarrier:
    """`local:N`."""

    def __init__(self, count: int, workspace: Path, module: str = SERVER) -> None:
        """`module`: what a server runs; a bench plays it."""
        self._names = tuple(f"local-{number}" for number in range(1, count + 1))
        self._module, self._environment = module, child_environment(workspace)
        self._processes: dict[str, PipedProcess] = {}
        self._selector = selectors.DefaultSelector()

    def servers(self) -> tuple[str, ...]:
        return self._names

    def start(self, server: str) -> None:
        process = self._processes[server] = PipedProcess(self._module, environment=self._environment)
        self._selector.register(process, selectors.EVENT_READ, server)

    def give(self, server: str, data: bytes) -> None:
        if server in self._processes:
            self._processes[server].send(data)

    def poll(self, seconds: float) -> list[tuple[str, bytes | None]]:
        unsent = [process.send() for process in self._processes.values()]
        found: list[tuple[str, bytes | None]] = []
        for key, _ in self._selector.select(min(seconds, 0.02) if any(unsent) else seconds):
            data = self._processes[key.data].read()
            found.append((key.data, data or None))
            if not data:
                self.kill(key.data)
        return found

    def kill(self, server: str) -> None:
        self._end(server, 0.0)

    def close(self) -> None:
        for process in self._processes.values():
            process.hang_up()  # it removes its scratch folder, and ends
        until = time.monotonic() + CLOSE_S
        for server in list(self._processes):
            self._end(server, max(0.0, until - time.monotonic()))
        self._selector.close()

    def _end(self, server: str, seconds: float) -> None:
        if (process := self._processes.pop(server, None)) is not None:
            self._selector.unregister(process)
            process.end(seconds)
