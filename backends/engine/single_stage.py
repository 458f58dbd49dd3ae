"""One stage by itself in the foreground: the same child and request as in a run, but no journal and no cache."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backends.core.codec import dumps
from backends.core.errors import InputError, NeedError, R3dError, StageError, Stopped
from backends.core.events import Event, Outcome, StageFailed, StageFinished, StageStopped
from backends.core.files import LOG_HINT
from backends.core.messages import N_
from backends.core.processes import kill_group
from backends.core.stage_request import Request, Upstream
from backends.engine.worker_process import spawn

DEBUG_HINT = N_("--debug shows what it printed")
_KINDS: dict[int, type[R3dError]] = {1: StageError, 2: InputError, 3: NeedError}


def run_step(
    entry: str,
    params: Mapping[str, Any],
    *,
    stage: str,
    out: Path,
    on_event: Callable[[Event], None],
    inputs: Mapping[str, Path] | None = None,
    tuning: Mapping[str, Any] | None = None,
    upstream: Mapping[str, Upstream] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> Outcome:
    """Run `entry` in a child and give its outcome. Raises the error that it ended with.

    Ctrl+C, or a signal that asks this process to end, lets the stage finish the item at hand; a second one, or half a
    minute, kills it. Either way Stopped is raised.
    `on_log` is handed what the child and its libraries printed, tracebacks too.
    """
    scratch = Path(tempfile.mkdtemp(prefix="r3d-tui-step-"))
    request = Request(
        stage, entry, 1, scratch, out, scratch / "work", params, tuning or {}, inputs or {}, upstream or {}
    )
    try:
        ending = asyncio.run(_follow(request, scratch / "log", on_event))
        if on_log:
            on_log((scratch / "log").read_text(encoding="utf-8", errors="replace"))
        if isinstance(ending, StageFinished):
            return ending.outcome
        raise _error(ending, stage)
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
