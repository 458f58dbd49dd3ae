"""One child process, from the parent's side: spawn it, hand it its request, read its events, end it with its group.

The supervisor runs stages by it, and `step` one stage in the foreground, with no journal and no cache.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.core.codec import DecodeError, dumps
from backends.core.events import Event, Outcome, StageFailed, StageFinished, StageStopped, from_json
from backends.core.files import LOG_HINT
from backends.core.messages import N_, InputError, NeedError, R3dError, StageError, Stopped
from backends.core.plan import Stage
from backends.core.processes import child_environment, kill_group, python_command
from backends.core.stage_request import Request, Upstream

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


DEBUG_HINT = N_("--debug shows what it printed")
_KINDS: dict[int, type[R3dError]] = {1: StageError, 2: InputError, 3: NeedError}


def run_step(
    stage: Stage,
    out: Path,
    on_event: Callable[[Event], None],
    upstream: Mapping[str, Upstream] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> Outcome:
    """Run a stage in a child and give its outcome. Raises the error that it ended with.

    Ctrl+C, or a signal that asks this process to end, lets the stage finish the item at hand; a second one, or half a
    minute, kills it. Either way Stopped is raised.
    `on_log` is handed what the child and its libraries printed, tracebacks too.
    """
    scratch = Path(tempfile.mkdtemp(prefix="r3d-tui-step-"))
    given = (stage.params, stage.tuning, stage.inputs, upstream or {})
    request = Request(stage.name, stage.entry, 1, scratch, out, scratch / "work", *given)
    try:
        ending = asyncio.run(_follow(request, scratch / "log", on_event))
        if on_log:
            on_log((scratch / "log").read_text(encoding="utf-8", errors="replace"))
        if isinstance(ending, StageFinished):
            return ending.outcome
        raise _error(ending, stage.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _error(ending: StageFailed | StageStopped | int, stage: str) -> R3dError:
    """What a stage that gave no outcome ended with."""
    if isinstance(ending, StageFailed):
        kind = _KINDS.get(ending.exit_code, StageError)
        hint = DEBUG_HINT if ending.hint.template == LOG_HINT else ending.hint.template  # its log goes with the step
        return kind(ending.message.template, hint=hint, **{**ending.message.facts, **ending.hint.facts})
    if isinstance(ending, StageStopped):
        return Stopped()
    if ending < 0:
        return StageError("the process of {stage} was killed (signal {signal})", stage=stage, signal=-ending)
    return StageError("the process ended without a word (exit code {code})", hint=DEBUG_HINT, code=ending)


async def _follow(
    request: Request, log: Path, on_event: Callable[[Event], None]
) -> StageFinished | StageFailed | StageStopped | int:
    child = await spawn(request.workspace, log, request.scratch)
    ending: StageFinished | StageFailed | StageStopped | None = None
    stops: list[asyncio.Task[None]] = []

    def stop() -> None:
        if stops:
            kill_group(child.pid)
        else:
            stops.append(asyncio.ensure_future(child.stop()))

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    await child.send(dumps(request))
    async for event in child.events():
        if isinstance(event, StageFinished | StageFailed | StageStopped):
            ending = event
        else:
            on_event(event)
    code = await child.ended()
    if ending is None and stops:
        return StageStopped(request.stage, request.attempt)
    return ending if ending is not None else code
