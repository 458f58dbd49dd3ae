"""One child process, from the parent's side: spawn it, hand it its request, read its events, end it with its group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.core.codec import DecodeError
from backends.core.events import Event, from_json
from backends.core.processes import child_environment, kill_group, python_command

LONGEST_LINE = 64 * 1024 * 1024
GRACE_S = 30.0
"""Seconds that a stage has to end itself after it was asked to stop."""
ENDED_S = 0.05
"""How often a child's exit code is asked for."""


@dataclass
class Child:
    """A spawned worker that waits for its request on standard input; closing that ends it and its group."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self.process.pid

    async def send(self, text: str) -> None:
        """One line to its standard input; nothing happens where it has gone."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.process.stdin.write(text.encode("ascii") + b"\n")
            await self.process.stdin.drain()

    async def command(self, command: Mapping[str, Any]) -> None:
        await self.send(json.dumps(command))

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Ask it to stop after the item at hand; kill it and its group where it has not ended in `grace_s` seconds."""
        await self.command({"command": "stop"})
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.ended(), grace_s)
        kill_group(self.pid)

    async def events(self) -> AsyncIterator[Event]:
        """Its events, until it has ended; a line that is no event is passed over."""
        assert self.process.stdout is not None
        end = asyncio.ensure_future(self.ended())  # kills what is left of the group, which closes the pipe
        while text := await self.process.stdout.readline():
            with contextlib.suppress(DecodeError):
                yield from_json(text)
        await end

    async def ended(self) -> int:
        """Wait for its end and take whatever is left of its group along. Negative: the signal that killed it.

        It asks for the exit code, not for the end of the pipes: a process that a library forked may hold them open.
        """
        while self.process.returncode is None:  # noqa: ASYNC110 - the exit code is all there is to look at
            await asyncio.sleep(ENDED_S)
        kill_group(self.pid)
        return self.process.returncode


async def spawn(workspace: Path, log: Path, scratch: Path) -> Child:
    """Start a worker in a session of its own, its standard error in `log`, its working folder `scratch`."""
    for folder in (log.parent, scratch):
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a moment's work; the loop may wait for it
    return await _spawn(
        python_command("backends.worker"),
        log,
        child_environment(workspace, {"TMPDIR": str(scratch)}),  # what libraries leave stays in the workspace
        stdout=asyncio.subprocess.PIPE,
        cwd=scratch,
        limit=LONGEST_LINE,
    )


async def spawn_companion(companion: tuple[str, ...], workspace: Path, output: Path, log: Path) -> Child:
    """Start the process that samples the devices; its standard input is its lifeline."""
    return await _spawn(python_command(*companion, str(output)), log, child_environment(workspace))


async def _spawn(command: Sequence[str], log: Path, environment: Mapping[str, str], **options: Any) -> Child:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    given = {"stdin": asyncio.subprocess.PIPE, "stdout": descriptor, "start_new_session": True, **options}
    try:
        return Child(await asyncio.create_subprocess_exec(*command, stderr=descriptor, env=environment, **given))
    finally:
        os.close(descriptor)
