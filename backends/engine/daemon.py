"""`python -m backends.engine.daemon WORKSPACE RUN`: leave the terminal for good, then supervise a run.

`RUN` is the id of one to resume; empty: a new one. The caller, who may be killed at any moment, writes the sealed plan
to standard input and reads one line of JSON from standard output: {"ok": pid, "run": id} once the engine takes commands
and its beginning is on disk, or the refusal.
After that the supervisor is a daemon of its own: two forks, a session of its own, no terminal, no inherited descriptor.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import IO

from backends.core.codec import DamagedError, dumps, encode, unseal
from backends.core.files import write_whole
from backends.core.messages import R3dError
from backends.core.plan import Plan
from backends.engine.control_socket import serve
from backends.engine.folders import Folders, RunFolder
from backends.engine.lock import WorkspaceLock, disk_error
from backends.engine.supervisor import Supervisor


def main() -> int:
    """Become the supervisor of the run `sys.argv[2]`, or of a new one, in the workspace `sys.argv[1]`."""
    folders, resumed = Folders(Path(sys.argv[1])), sys.argv[2]
    sealed = sys.stdin.buffer.read()
    _leave()
    reply = os.fdopen(os.dup(1), "w", encoding="ascii")
    held: WorkspaceLock | None = None
    folder: RunFolder | None = None
    try:
        plan = unseal(Plan, sealed)
        held = WorkspaceLock(folders, resumed)
        folder = folders.run(resumed) if resumed else _new_run(folders, sealed)
        held.name(folder.id)
        _redirect(folder.supervisor_log)
        asyncio.run(_supervise(folders, folder, plan, held, reply))
    except DamagedError:  # whoever wrote it was killed meanwhile: nothing has begun
        return 1
    except (R3dError, OSError) as error:
        if reply.closed:  # it had begun: the log is the place for a fault of ours
            raise
        if folder is not None and not resumed:  # it never began, and would count as the latest run
            shutil.rmtree(folder.path, ignore_errors=True)
        if held is not None:
            held.release()  # first: whoever hears the refusal may start again at once
        return _refuse(reply, error if isinstance(error, R3dError) else disk_error(error, folders.workspace))
    held.release()
    return 0


def _new_run(folders: Folders, sealed_plan: bytes) -> RunFolder:
    """Make a run's folder. Only the engine does, so that whoever sees one may wait for its run."""
    latest = folders.latest_run()
    last = latest.id if latest else ""
    while True:
        folder = folders.run(next_id(time.strftime("%Y%m%d-%H%M%S"), last))
        with contextlib.suppress(FileExistsError):  # left by one that was cut off here
            folder.path.mkdir(parents=True, mode=0o700)
            break
        last = folder.id
    write_whole(folder.plan, sealed_plan)
    return folder


def next_id(stamp: str, latest: str) -> str:
    """The id of a run begun at `stamp` (YYYYMMDD-HHMMSS): it sorts after `latest`, even where the clock went back."""
    before, _, number = latest.rpartition("-")
    if before < stamp:
        return f"{stamp}-0000"
    return f"{before}-{int(number) + 1 if number.isdigit() else 1:04d}"


def _refuse(reply: IO[str], error: R3dError) -> int:
    refusal = {"error": type(error).__name__, "line": encode(error.line), "hint": encode(error.hint)}
    _answer(reply, json.dumps(refusal))
    return error.exit_code


def _answer(reply: IO[str], text: str) -> None:
    """Tell the caller, who may have been killed meanwhile: the run does not depend on it."""
    try:
        reply.write(text)
        reply.close()
    except OSError:
        with contextlib.suppress(OSError):
            reply.close()


async def _supervise(folders: Folders, folder: RunFolder, plan: Plan, held: WorkspaceLock, reply: IO[str]) -> None:
    supervisor = Supervisor(folders, folder, plan, held)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.stop)
    for name in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(name, lambda: None)
    async with serve(folders, supervisor):

        def begun() -> None:
            _answer(reply, dumps({"ok": os.getpid(), "run": folder.id}))

        await supervisor.main(begun)


def _leave() -> None:
    """Fork twice with a new session between: a child of no process of ours, with no way back to the terminal."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.umask(0o077)


def _redirect(log: Path) -> None:
    """Standard input from nowhere; output and errors, tracebacks too, to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nowhere, 0)
    sys.stdout.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    with contextlib.suppress(OSError):
        os.close(nowhere)
        os.close(file)


if __name__ == "__main__":
    sys.exit(main())
