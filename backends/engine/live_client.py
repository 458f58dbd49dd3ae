"""What a front end holds of a workspace: start, follow, stop. It reads what the engine writes, and writes nothing."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from backends.core.client import LogChunk, Preview, RunRequest, RunResult, RunSummary, Snapshot
from backends.core.codec import decode, dumps, loads, seal, unseal
from backends.core.device_samples import read_history, read_samples
from backends.core.events import Event
from backends.core.messages import N_, BusyError, InputError, Line, NeedError, R3dError, StageError
from backends.core.plan import Plan
from backends.core.processes import our_environment, python_command
from backends.core.run_state import Run
from backends.core.settings import Settings
from backends.core.values import DeviceSample, Report
from backends.engine import lock, run_results
from backends.engine.folders import Folders, RunFolder
from backends.engine.journal import JournalReader, damaged_run, is_damage, is_whole, read_state

POLL_S = 0.1
CLOSE_S = 1.0
"""How long `close` waits for a read in progress."""
LIVELINESS_S = 0.5
"""How often the lock and the heartbeat are looked at."""
_KINDS: dict[str, type[R3dError]] = {kind.__name__: kind for kind in (BusyError, InputError, NeedError)}


class PlanSource(Struct, frozen=True):
    """How the engine, which knows no stage, gets at a workspace's settings and plan."""

    settings: Callable[[Path], Settings]
    """Read r3d.toml; raises InputError."""
    plan: Callable[[Path, Settings], Plan]
    """Every stage for those settings."""


class LiveClient:
    """The client of a workspace on this machine; see `core.client.Client` for what each call promises."""

    def __init__(self, workspace: Path, planner: PlanSource) -> None:
        self._folders = Folders(workspace)
        lock.check_readable(self._folders)
        self._planner = planner
        self._reader: tuple[RunFolder, JournalReader] | None = None
        self._ended: tuple[RunFolder, Run] | None = None
        self._looked = -LIVELINESS_S
        self._alive = False
        self._silence: float | None = None
        self._seen: tuple[object, ...] = ()
        self._last = Snapshot(0, workspace, Run())
        self._settings: tuple[int, Settings | None, Plan | None, Line] = (-1, None, None, Line(""))
        self._report: tuple[str, Report | None] = ("", None)
        self._lock = threading.RLock()

    @property
    def workspace(self) -> Path:
        return self._folders.workspace

    def glance(self) -> Snapshot:
        folder = self._folders.latest_run()
        with contextlib.suppress(R3dError, OSError, ValueError):
            if folder is not None and self._last.version == 0:
                plan = unseal(Plan, folder.plan.read_bytes(), needs_seal=False)
                return self._taken(self._planner.settings(self.workspace), plan, Line(""))
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        return self._taken(*self._read_settings())

    def _taken(self, settings: Settings | None, plan: Plan | None, problem: Line) -> Snapshot:
        self._look()  # before the state: an engine that ends in between has written its end
        folder = self._folders.latest_run()
        run = self._state(folder)
        if run.state == "running" and not self._alive:
            run = replace(run, state="interrupted")
        stalled = self._silence if self._alive and (self._silence or 0) > lock.STALLED_S else None
        samples = read_samples(folder.samples) if folder else ()
        new = Snapshot(
            0, self.workspace, run, settings, plan, problem, self._alive, stalled, samples, self._reported(run)
        )
        if replace(self._last, version=0) != new:
            self._last = replace(new, version=self._last.version + 1)
        return self._last

    def changed(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            signs = self._signs()
            if signs != self._seen:
                self._seen = signs
                return True
            if (left := until - time.monotonic()) <= 0:
                return False
            time.sleep(min(POLL_S, left))

    def start(self, request: RunRequest) -> str:
        from backends.engine.planner import narrowed  # looking at a run needs neither this nor `preview`

        lock.check_writable(self.workspace)
        settings = self._planner.settings(self.workspace)
        plan = narrowed(self._planner.plan(self.workspace, settings), request, self._state(self._folders.latest_run()))
        if lock.owner(self._folders):
            if request.mode == "rerun" and not request.stages and self._amended(plan):
                return self.snapshot().run.id
            raise lock.busy(self._folders)
        command = python_command("backends.engine.daemon", str(self.workspace), self._resumable(plan))
        reply = subprocess.run(
            command,
            input=seal(plan),
            stdout=subprocess.PIPE,
            check=False,
            env=our_environment(),
            start_new_session=True,  # whatever ends this process does not reach the engine
        ).stdout
        self._looked = -LIVELINESS_S
        return _begun(reply, self._folders)

    def _amended(self, plan: Plan) -> bool:
        """The run that is on runs what failed in it again, by this plan; False where nothing failed in it."""
        from backends.engine.control_socket import ask

        if not any(stage.state == "failed" for stage in self.snapshot().run.stages):
            return False
        answer = ask(self._folders, {"command": "amend", "plan": seal(plan).decode("ascii")})
        if not answer.get("ok"):
            raise InputError("{reason}", reason=str(answer.get("error")))
        return True

    def stop(self) -> None:
        from backends.engine.control_socket import ask  # it brings asyncio: 40 ms that `status` does not need

        ask(self._folders, {"command": "stop"})

    def command(self, stage: str, command: dict[str, str]) -> None:
        from backends.engine.control_socket import ask

        answer = ask(self._folders, {"stage": stage, "to_stage": command})
        if not answer.get("ok"):
            raise InputError("{stage} is not running", hint="wait until it runs", stage=stage)

    def preview(self, request: RunRequest) -> tuple[Preview, ...]:
        return self._preview(request, frozenset())

    def accept(self, request: RunRequest, stages: tuple[str, ...]) -> tuple[Preview, ...]:
        lock.check_writable(self.workspace)
        if lock.owner(self._folders):
            raise lock.busy(self._folders)
        return self._preview(request, frozenset(stages))

    def _preview(self, request: RunRequest, accept: frozenset[str]) -> tuple[Preview, ...]:
        from backends.engine.artifacts import Cache
        from backends.engine.planner import narrowed, preview

        settings = self._planner.settings(self.workspace)
        plan = narrowed(self._planner.plan(self.workspace, settings), request, self._state(self._folders.latest_run()))
        with contextlib.suppress(OSError):  # who may only look gets the preview all the same
            lock.make_root(self._folders)
        try:
            return preview(Cache(self._folders), plan, accept)
        except OSError as error:
            raise lock.disk_error(error, self.workspace) from None

    def log(self, stage: str, offset: int | None = None, limit: int = 65536) -> LogChunk:
        path = self.log_path(stage)
        if path is None:
            return LogChunk("", 0, 0)
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - limit) if offset is None else min(offset, size)
            file.seek(begin)
            data = file.read(limit)
        return LogChunk(data.decode("utf-8", "replace"), begin, begin + len(data))

    def log_path(self, stage: str) -> Path | None:
        folder = self._folders.latest_run()
        if folder is None:
            return None
        name = re.compile(re.escape(stage) + r"-\d+\.log")  # a name, never a pattern
        logs = [path for path in (folder.path / "logs").glob("*.log") if name.fullmatch(path.name)]
        return max(logs, key=_time_of, default=None)

    def runs(self) -> tuple[RunSummary, ...]:
        found = []
        for number, folder in enumerate(self._folders.all_runs()):
            run = read_state(folder.journal) or Run(id=folder.id)
            alive = number == 0 and lock.owner(self._folders) is not None
            found.append(summary(folder.id, run, alive=alive))
        return tuple(found)

    def history(self, run_id: str) -> tuple[DeviceSample, ...]:
        folder = self._folder(run_id)
        return read_history(folder.samples) if folder else ()

    def result(self, run_id: str) -> RunResult:
        run = self._run(run_id)
        alive = lock.owner(self._folders) is not None and next(iter(self._folders.all_runs())).id == run_id
        report, settings = run_results.read_report(self._folders, run), run_results.read_settings(self._folders, run_id)
        return RunResult(summary(run_id, run, alive=alive), report, run, settings)

    def export(self, run_id: str, folder: Path) -> tuple[Path, ...]:
        return run_results.export(self._folders, self._run(run_id), folder)

    def _folder(self, run_id: str) -> RunFolder | None:
        return next((folder for folder in self._folders.all_runs() if folder.id == run_id), None)

    def _run(self, run_id: str) -> Run:
        folder = self._folder(run_id)
        if folder is None:
            raise InputError("unknown run {run}", hint="`r3d-tui runs` lists them", run=run_id)
        return read_state(folder.journal) or Run(id=run_id)

    def events(self, run_id: str, after: int = 0) -> list[tuple[int, float, Event]]:
        journal = self._folders.run(run_id).journal
        with contextlib.suppress(sqlite3.Error), contextlib.closing(JournalReader(journal)) as reader:
            return list(reader.events(after))
        return []

    def close(self) -> None:
        if not self._lock.acquire(timeout=CLOSE_S):
            return  # another thread reads from a slow disk: SQLite crashes where its connection is closed under it
        try:
            if self._reader:
                self._reader[1].close()
                self._reader = None
        finally:
            self._lock.release()

    def _journal(self, folder: RunFolder | None) -> JournalReader | None:
        if self._reader and folder and self._reader[0] == folder:
            return self._reader[1]
        self.close()
        if folder is None or not folder.journal.exists():
            return None
        with contextlib.suppress(sqlite3.Error):
            self._reader = (folder, JournalReader(folder.journal))
            return self._reader[1]
        return None

    def _state(self, folder: RunFolder | None) -> Run:
        if folder is None:
            return Run()
        if self._ended and self._ended[0] == folder:
            return self._ended[1]
        try:
            with self._lock:
                if reader := self._journal(folder):
                    run = reader.state() or Run(id=folder.id)
                    if run.state in ("done", "failed", "stopped"):  # closed, so that the engine can leave WAL
                        self._ended = (folder, run)
                        self.close()
                    return run
        except sqlite3.Error as error:
            if is_damage(error):
                return damaged_run(folder.journal)
        return Run(id=folder.id)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked >= LIVELINESS_S:
            self._looked = now
            self._alive = lock.owner(self._folders) is not None
            self._silence = lock.silence(self._folders) if self._alive else None

    def _signs(self) -> tuple[object, ...]:
        """Cheap signs that a snapshot may differ: the journal's version, files' times, the engine's life."""
        folder = self._folders.latest_run()
        version = -1
        ended = self._ended is not None and self._ended[0] == folder
        with self._lock, contextlib.suppress(sqlite3.Error):
            reader = None if ended else self._journal(folder)
            version = reader.version() if reader else -1
        self._look()
        stalled = (self._silence or 0) > lock.STALLED_S
        samples = _time_of(folder.samples) if folder else 0
        return folder, version, self._alive, stalled, samples, _time_of(self.workspace / "r3d.toml")

    def _read_settings(self) -> tuple[Settings | None, Plan | None, Line]:
        """Read again when the file's time changes, and as long as something is wrong: paths may be fixed elsewhere."""
        stamp = _time_of(self.workspace / "r3d.toml")
        if stamp != self._settings[0] or self._settings[2] is None:
            settings = None
            try:
                settings = self._planner.settings(self.workspace)
                self._settings = (stamp, settings, self._planner.plan(self.workspace, settings), Line(""))
            except R3dError as error:
                self._settings = (stamp, settings, None, error.line)
        return self._settings[1:]

    def _reported(self, run: Run) -> Report | None:
        """The report of the run's evaluate stage, read once for each fingerprint."""
        stage = next((stage for stage in run.stages if stage.outcome and "report" in stage.outcome.outputs), None)
        if stage is None:
            return None
        key = f"{stage.name}/{stage.fingerprint}/{stage.seconds}"
        if self._report[0] != key:
            self._report = (key, run_results.read_report(self._folders, run))
        return self._report[1]

    def _resumable(self, plan: Plan) -> str:
        """The id of the latest run where its engine died on this very plan; empty: there is none."""
        folder = self._folders.latest_run()
        if folder is None or self._state(folder).state != "running":
            return ""
        with contextlib.suppress(OSError, ValueError):
            begun = unseal(Plan, folder.plan.read_bytes(), needs_seal=False)
            if begun == loads(Plan, dumps(plan)) and is_whole(folder.journal):
                return folder.id
        return ""


def _begun(reply: bytes, folders: Folders) -> str:
    """The id of the run that began. Raises what the engine had against it; StageError where it said nothing."""
    try:
        answer = json.loads(reply)
    except ValueError:
        text, hint = N_("the engine did not start"), N_("its last words are in {log}")
        folder = folders.latest_run()
        raise StageError(text, hint=hint, log=str(folder.supervisor_log if folder else folders.runs)) from None
    if "ok" in answer:
        return str(answer["run"])
    words, hint_words = decode(Line, answer["line"]), decode(Line, answer["hint"])
    kind = _KINDS.get(answer["error"], StageError)
    raise kind(words.template, hint=hint_words.template, **words.facts)


def summary(run_id: str, run: Run, *, alive: bool) -> RunSummary:
    """A run's line in the list; `alive`: an engine holds it."""
    top1 = run.figures_with("top1").get("top1")
    infer = run.figures_with("runtime")  # preprocess gives a rate of its own
    rate = infer.get("clips_per_s")
    state = "interrupted" if run.state == "running" and not alive else run.state
    seconds = run.ended - run.started if run.ended and run.started and run.ended >= run.started else None
    return RunSummary(
        run_id,
        state,
        run.started,
        seconds,
        top1=top1 if isinstance(top1, float) else None,
        clips_per_s=rate if isinstance(rate, float) else None,
        simulated=run.simulated,
        clips_per_s_beside=str(infer.get("clips_per_s_beside") or ""),
    )


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
