"""The detached loop of one run: decide, launch, write down. It knows no stage by name and draws nothing.

take the workspace; kill what a dead engine left behind; read the journal
ask `decide` what next
    settle a stage: from the cache, or by a child process
    the child's events are folded and journalled; facts are on disk before anything depends on them
until `decide` says that nothing is left
"""

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from backends.core import events as ev
from backends.core.codec import dumps, encode, loads, seal
from backends.core.files import FULL, FULL_HINT, is_full, write_whole
from backends.core.messages import N_, InputError, Line, NeedError, R3dError, line, os_reason
from backends.core.needs import missing
from backends.core.plan import Plan, Stage
from backends.core.processes import kill_group, reap, start_time
from backends.core.stage_request import Request
from backends.engine import stage_scheduler
from backends.engine.artifacts import Cache, CacheKey, Decision
from backends.engine.folders import Folders, RunFolder
from backends.engine.lock import HEARTBEAT_S, WorkspaceLock
from backends.engine.planner import (
    all_upstream,
    decide_following,
    decide_stage,
    followed,
    settled_outcomes,
    to_reset,
    upstream_digests,
)
from backends.engine.run_record import RunRecord
from backends.engine.worker_process import Child, spawn, spawn_companion

KILLED_S = 2.0
"""Seconds that killed processes have to be gone; one that waits for a disk may take longer."""
LIVES = 3
"""Attempts that a stage has in one run where something kills its process from outside."""

Ending = ev.StageFinished | ev.StageCached | ev.StageFailed | ev.StageStopped | ev.StageBlocked


class Supervisor:
    """One run of one plan. The caller holds the workspace. OSError where the disk has no space to begin."""

    def __init__(self, folders: Folders, folder: RunFolder, plan: Plan, lock: WorkspaceLock) -> None:
        self._folders, self._folder, self._plan, self._lock = folders, folder, plan, lock
        self._record = RunRecord(folder.journal, folders.reserve, self._kill_children)
        self._cache = Cache(folders)
        self._wake = asyncio.Event()
        self._children: dict[str, Child] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: dict[str, asyncio.Task[None]] = {}
        self._fault: BaseException | None = None
        self._stopping = False
        self._again: frozenset[str] = frozenset()
        """Stages that are being settled by an earlier plan, and run again after it."""

    async def main(self, begun: Callable[[], None]) -> None:
        """Run the plan to its end, whatever that is, and write the end down. `begun` is called once its start is."""
        reap(self._folders.workspace)
        resumed = bool(self._record.run.stages)
        names = tuple(stage.name for stage in self._plan.stages)
        self._record.say(ev.RunStarted(self._folder.id, names, os.getpid(), socket.gethostname(), resumed))
        self._record.commit()
        begun()
        background = [self._keep(self._record.commit_often()), self._keep(self._beat())]
        companion = await self._start_companion()
        try:
            end = await self._loop()
            if self._record.is_full:
                end = stage_scheduler.End(
                    "failed", line("{folder}: the disk is full", folder=str(self._folders.workspace))
                )
            self._record.say(ev.RunFinished(end.state, end.reason))
            self._record.commit()
        except Exception as error:  # no run ends without a reason; the log has the traceback
            with contextlib.suppress(Exception):
                text, what = (
                    N_("a fault of r3d-tui ended the run: {error}; please report it with {log}"),
                    type(error).__name__,
                )
                fault = line(text, error=f"{what}: {str(error)[:300]}", log=str(self._folder.supervisor_log))
                self._record.say(ev.RunFinished("failed", fault))
                self._record.commit()
            raise
        finally:
            for task in background:
                task.cancel()
            for child in self._children.values():
                kill_group(child.pid)
            if companion:
                kill_group(companion.pid)
                await companion.ended()
        self._record.close()

    def stop(self) -> None:
        """End the run: stages finish the item at hand, or are ended after a while."""
        self._stopping = True
        for child in self._children.values():
            self._keep(child.stop())
        self._wake.set()

    def amend(self, plan: Plan) -> None:
        """Go on by another plan: see `planner.to_reset`. What of it runs is stopped first; all else that runs goes on.

        The journal has it before the plan has: an engine that dies in between is followed by a new run.
        Raises InputError where the stages are others, and where the run is ending: nothing would run again.
        """
        if self._stopping or self._record.is_full or self._record.run.state != "running":
            raise InputError("the run is ending", hint="rerun once it has ended")
        plan = loads(Plan, dumps(plan))
        self._again = to_reset(self._plan, plan, self._record.run)
        self._plan = replace(plan, targets=self._plan.targets, force=self._plan.force)
        self._record.say(ev.StagesReset(tuple(sorted(self._again - self._settling.keys()))))
        self._record.commit()
        write_whole(self._folder.plan, seal(self._plan))
        self._again &= self._settling.keys()
        for name in self._again.intersection(self._children):
            self._keep(self._children[name].stop())
        self._wake.set()

    async def command(self, stage: str, command: Mapping[str, Any]) -> bool:
        """Hand a command to a running stage; False where it is not running."""
        child = self._children.get(stage)
        if child is None:
            return False
        await child.command(command)
        return True

    async def _loop(self) -> stage_scheduler.End:
        while True:
            self._wake.clear()
            stopping = self._stopping or self._record.is_full
            for action in stage_scheduler.decide(
                self._plan, self._record.run, frozenset(self._settling), stopping=stopping
            ):
                if isinstance(action, stage_scheduler.End):
                    return action
                self._do(action)
            await self._wake.wait()
            if self._fault is not None:
                raise self._fault

    def _do(self, action: stage_scheduler.Skip | stage_scheduler.Block | stage_scheduler.RunStage) -> None:
        if isinstance(action, stage_scheduler.RunStage):
            self._settling[action.stage] = self._keep(self._settle(self._plan.stage(action.stage)))
            return
        kind = ev.StageSkipped if isinstance(action, stage_scheduler.Skip) else ev.StageBlocked
        self._record.say(kind(action.stage, action.reason))
        self._wake.set()

    async def _settle(self, stage: Stage) -> None:
        """Bring one stage up to date, and write down how that ended."""
        try:
            self._record.say(await self._ending(stage))
        except R3dError as error:
            attempt = self._record.run.stage(stage.name).attempt + 1
            self._record.say(ev.StageFailed(stage.name, attempt, error.line, error.hint, 0.0, error.exit_code))
        except OSError as error:
            self._record.say(self._disk_failure(stage.name, error))
        if stage.name in self._again:
            self._again -= {stage.name}
            self._record.say(ev.StagesReset((stage.name,)))
        self._record.commit()
        self._settling.pop(stage.name, None)
        self._wake.set()

    async def _ending(self, stage: Stage) -> Ending:
        """Take the stage from the cache, or run it. Raises R3dError for a missing need or input."""
        for need in missing(stage.needs):
            raise NeedError("the Python module {module} is missing", hint=need.hint, module=need.name)
        mine = self._record.run.stage(stage.name)
        forced = stage.name in self._plan.force and mine.attempt == 0
        if running := {name: self._record.run.stage(name).fingerprint for name in followed(stage, self._record.run)}:
            decision = await asyncio.to_thread(
                decide_following, self._cache, stage, settled_outcomes(self._record.run), running, forced=forced
            )
            if decision is not None and decision.key is not None:
                return await self._attempts(stage, decision, decision.key)
            await self._wait_for(stage)
            if blocked := self._blocked(stage):
                return blocked
        decision = await asyncio.to_thread(
            decide_stage, self._cache, stage, settled_outcomes(self._record.run), forced=forced
        )
        key = decision.key
        assert key is not None
        if decision.outcome is not None:
            return ev.StageCached(stage.name, decision.outcome, decision.reason, key.fingerprint)
        if mine.attempt and mine.reason.template and not decision.stale:
            decision = replace(decision, reason=mine.reason)
        if stage.follows and not decision.stale:  # what an attempt that was cut off made while it followed
            made = {name: self._record.run.stage(name).fingerprint for name in stage.follows}
            provisional = replace(key, upstream=upstream_digests(stage, settled_outcomes(self._record.run), made))
            await asyncio.to_thread(self._cache.adopt, stage.name, provisional.fingerprint, key.fingerprint)
        return await self._attempts(stage, decision, key)

    async def _wait_for(self, stage: Stage) -> None:
        """Until what the stage follows has ended, whatever way."""
        if tasks := [self._settling[name] for name in stage.follows if name in self._settling]:
            await asyncio.wait(tasks)

    def _blocked(self, stage: Stage) -> ev.StageBlocked | None:
        """That the stage cannot be done, since what it followed ended without an outcome."""
        for name in stage.follows:
            if name not in self._settling and not self._record.run.stage(name).settled:
                return ev.StageBlocked(stage.name, line("blocked by {stage}", stage=name))
        return None

    async def _attempts(self, stage: Stage, decision: Decision, key: CacheKey) -> Ending:
        """One child after another, until one ends by itself or too many were killed from outside."""
        first, killed_by = self._record.run.stage(stage.name).attempt + 1, 0
        reason, stale = decision.reason, decision.stale
        for attempt in range(first, first + LIVES):
            if blocked := self._blocked(stage):
                return blocked
            await asyncio.to_thread(self._cache.begin, stage.name, key.fingerprint, stale=stale)
            stale = False
            ending = await self._attempt(stage, key, attempt, reason)
            if isinstance(ending, ev.StageFinished):
                return await self._finished(stage, decision, key, ending)
            if isinstance(ending, ev.StageStopped) and not self._ends(stage):
                return self._blocked(stage) or ending
            if not isinstance(ending, int):
                return ending
            if self._record.is_full:
                return self._disk_failure(stage.name, OSError(errno.ENOSPC, FULL))
            killed_by = -ending
            reason = line("attempt {attempt} was killed (signal {signal}); resumed", attempt=attempt, signal=killed_by)
            self._record.say(ev.StageNote(stage.name, reason, "warning"))
        message = line("killed {lives} times, last by signal {signal}", lives=LIVES, signal=killed_by)
        hint = line("look for an out-of-memory killer (dmesg); fewer workers need less memory")
        return ev.StageFailed(stage.name, attempt, message, hint)

    async def _finished(self, stage: Stage, decision: Decision, key: CacheKey, ending: ev.StageFinished) -> Ending:
        """Keep what the stage gave; a result stands for its inputs only if they were the same before and after."""
        await self._wait_for(stage)
        if blocked := self._blocked(stage):
            return blocked
        if stage.follows:
            digests = upstream_digests(stage, settled_outcomes(self._record.run))
            read = {name: digests[name] for name in stage.follows if name in digests}
            made, key = key.fingerprint, replace(key, upstream={**key.upstream, **read})
            await asyncio.to_thread(self._cache.adopt, stage.name, made, key.fingerprint)
        doubt = Line("")
        changed = await asyncio.to_thread(self._cache.changed_input, stage, decision.watched)
        if changed is not None:
            doubt = line("its input {path} changed while it was made", path=str(changed))
            text = N_("{path} changed while it was read: this result is not kept, and the next run makes it again")
            self._record.say(ev.StageNote(stage.name, line(text, path=str(changed)), "warning"))
        outcome = await asyncio.to_thread(self._cache.finish, key, ending.outcome, ending.seconds, doubt)
        return replace(ending, outcome=outcome, fingerprint=key.fingerprint)

    async def _attempt(self, stage: Stage, key: CacheKey, attempt: int, reason: Line) -> Ending | int:
        """One child from spawn to end: its last event, or the number of the signal that killed it, below zero."""
        begun = time.monotonic()
        log, scratch = self._folder.log(stage.name, attempt), self._folder.scratch(stage.name, attempt)
        request = await asyncio.to_thread(self._request, stage, attempt, scratch, key)
        try:
            child = await spawn(self._folders.workspace, log, scratch)
        except OSError as error:
            message = line("cannot start a process: {reason}", reason=os_reason(error))
            return ev.StageFailed(stage.name, attempt, message)
        self._children[stage.name] = child
        self._record.say(ev.StageStarted(stage.name, attempt, reason, child.pid, key.fingerprint))
        self._record.commit()  # the child's pid is on disk before the child has anything to do
        self._wake.set()  # what follows it may begin
        await child.send(dumps(request))
        if self._ends(stage):
            self._keep(child.stop())
        elif any(one.is_growing for one in request.upstream.values()):
            self._keep(self._hand_over(stage, child))
        ending: Ending | None = None
        async for event in child.events():
            if isinstance(event, ev.StageFinished | ev.StageFailed | ev.StageStopped):
                ending = event
            else:
                self._record.say(event)
        code = await child.ended()
        self._children.pop(stage.name, None)
        if ending is None and self._ends(stage):
            return ev.StageStopped(stage.name, attempt, time.monotonic() - begun)
        if ending is None and code >= 0:
            message, hint = line("the process ended without a word (exit code {code})", code=code), line("see its log")
            return ev.StageFailed(stage.name, attempt, message, hint, time.monotonic() - begun)
        return ending if ending is not None else code

    async def _hand_over(self, stage: Stage, child: Child) -> None:
        """Once what a stage follows has ended: its outcome to the stage, which is stopped where there is none."""
        await self._wait_for(stage)
        if self._blocked(stage):
            await child.stop()
            return
        found = all_upstream(stage, self._plan, self._record.run, self._folders)
        for name in stage.follows:
            await child.command({"command": "settled", "stage": name, "upstream": encode(found[name])})

    def _ends(self, stage: Stage) -> bool:
        return self._stopping or stage.name in self._again

    def _disk_failure(self, stage: str, error: OSError) -> ev.StageFailed:
        attempt = self._record.run.stage(stage).attempt
        if is_full(error):
            message = line("{folder}: the disk is full", folder=str(self._folders.workspace))
            return ev.StageFailed(stage, attempt, message, line(FULL_HINT))
        reason, path = os_reason(error), str(error.filename or self._folders.workspace)
        return ev.StageFailed(stage, attempt, line("{path}: {reason}", path=path, reason=reason))

    def _request(self, stage: Stage, attempt: int, scratch: Path, key: CacheKey) -> Request:
        return Request(
            stage=stage.name,
            entry=stage.entry,
            attempt=attempt,
            workspace=self._folders.workspace,
            out=self._folders.artifact(stage.name, key.fingerprint),
            scratch=scratch,
            params=stage.params,
            tuning=stage.tuning,
            inputs=stage.inputs,
            upstream=all_upstream(stage, self._plan, self._record.run, self._folders),
            like=self._cache.like(stage, key),
            samples=self._folder.samples if self._plan.companion else None,
        )

    async def _start_companion(self) -> Child | None:
        if not self._plan.companion:
            return None
        try:
            log = self._folder.path / "samples.log"
            return await spawn_companion(self._plan.companion, self._folders.workspace, self._folder.samples, log)
        except OSError:
            return None

    def _kill_children(self) -> None:
        """End the stages at once, and see them gone: one that is being killed may still fill the disk."""
        for child in self._children.values():
            kill_group(child.pid)
        until = time.monotonic() + KILLED_S
        while any(start_time(child.pid) for child in self._children.values()) and time.monotonic() < until:
            time.sleep(0.005)
        self._wake.set()

    async def _beat(self) -> None:
        while True:
            self._lock.beat()
            await asyncio.sleep(HEARTBEAT_S)

    def _keep(self, work: Any) -> asyncio.Task[None]:
        """Hold on to a task: asyncio itself does not. A fault in one ends the supervisor, and the log has it."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()
            self._wake.set()
