"""`python -m backends.engine.daemon RUN_FOLDER`: leave the terminal for good, then supervise the run.

The caller reads one line of JSON from standard output: {"ok": pid} once the engine takes commands and its
beginning is on disk, or the refusal.
After that the supervisor is a daemon of its own: two forks, a session of its own, no terminal, no inherited descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import IO

from backends.core.codec import dumps, encode
from backends.core.errors import InputError, R3dError
from backends.core.messages import N_
from backends.core.plan import Plan
from backends.engine.control_socket import serve
from backends.engine.folders import Folders, RunFolder
from backends.engine.lock import WorkspaceLock, disk_trouble
from backends.engine.sealed import DamagedError, unseal
from backends.engine.supervisor import Supervisor


def main() -> int:
    """Become the supervisor of the run in `sys.argv[1]`."""
    folder = RunFolder(Path(sys.argv[1]))
    _leave()
    reply = os.fdopen(os.dup(1), "w", encoding="ascii")
    _redirect(folder.supervisor_log)
    hold = None
    try:
        plan = _plan(folder)
        folders = Folders(plan.workspace)
        hold = WorkspaceLock(folders, folder.id)
        asyncio.run(_supervise(folders, folder, plan, hold, reply))
    except (R3dError, OSError) as error:
        if reply.closed:  # it had begun: the log is the place for a fault of ours
            raise
        if hold is not None:
            hold.release()  # first: whoever hears the refusal may start again at once
        return _refuse(reply, error if isinstance(error, R3dError) else disk_trouble(error, folder.path))
    hold.release()
    return 0


def _plan(folder: RunFolder) -> Plan:
    try:
        return unseal(Plan, folder.plan.read_bytes(), needs_seal=False)
    except DamagedError:
        text, hint = N_("{path} is damaged"), N_("start the run again: it gets a new plan")
        raise InputError(text, hint=hint, path=str(folder.plan)) from None


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


async def _supervise(folders: Folders, folder: RunFolder, plan: Plan, hold: WorkspaceLock, reply: IO[str]) -> None:
    supervisor = Supervisor(folders, folder, plan, hold)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, supervisor.stop)
    for name in (signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(name, lambda: None)
    async with serve(folders, supervisor):

        def begun() -> None:
            _answer(reply, dumps({"ok": os.getpid()}))

        await supervisor.main(begun)


def _leave() -> None:
    """Fork twice with a new session between: nobody's child, no way back to the terminal."""
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
