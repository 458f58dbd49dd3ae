"""`python -m backends.worker`: read one request, run one stage function, send its events; then end.

Descriptor 1 belongs to the protocol: a private copy is kept, and 1 and 2 point at the log that the engine opened as
standard error, because libraries print. Standard input stays open as the lifeline: at its end the whole group ends.
"""

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from typing import IO, Any

from backends.core.codec import DecodeError, loads
from backends.core.events import Event, Outcome, StageFailed, StageFinished, StageStopped, to_json
from backends.core.files import FULL_HINT, LOG_HINT, is_full
from backends.core.log_lines import log_line
from backends.core.messages import Line, NeedError, R3dError, Stopped, line, os_reason
from backends.core.processes import LIFELINE, die_with_parent, kill_group
from backends.device.lifeline import no_telemetry
from backends.worker.job import Job, Request


def main() -> int:
    """Run the request on standard input. The exit code follows the error tree; the events carry the same."""
    die_with_parent()
    no_telemetry()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a front end's Ctrl+C is its own; the engine stops us by the lifeline
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(event: Event) -> None:
        if found := log_line(event):
            _log(str(found).rstrip())
        data = to_json(event).encode("ascii") + b"\n"
        with lock:
            while data:
                data = data[out.write(data) :]

    orders = open(0, "rb", closefd=False)  # noqa: SIM115 - a forked child closes sys.stdin: nobody may lock it
    first = orders.readline()
    if not first:
        return 1
    request = loads(Request, first)
    _log(f"{request.stage} #{request.attempt}: {request.out}")
    job = Job(request, say)
    threading.Thread(target=_listen, args=(orders, job), name=LIFELINE, daemon=True).start()
    ending, code = _run(request, job)
    say(ending)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of native libraries must not hold a finished stage back


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _listen(stream: IO[bytes], job: Job) -> None:
    with contextlib.suppress(OSError, ValueError):
        for text in iter(stream.readline, b""):
            try:
                job.obey(loads(dict[str, Any], text))
            except (DecodeError, KeyError) as error:
                _log(f"not a command: {error}")
    kill_group(os.getpid())


def _run(request: Request, job: Job) -> tuple[Event, int]:
    begun, code = time.monotonic(), 1
    stage, attempt = request.stage, request.attempt
    try:
        module, _, function = request.entry.partition(":")
        outcome: Outcome = getattr(importlib.import_module(module), function)(job)
    except Stopped as stop:
        return StageStopped(stage, attempt, time.monotonic() - begun), stop.exit_code
    except R3dError as error:
        sys.stderr.writelines([*traceback.TracebackException.from_exception(error).format()][:-1])  # its words follow
        message, hint, code = error.line, error.hint, error.exit_code
    except MemoryError:
        message, hint = line("out of memory"), line("fewer workers, or a smaller batch, in r3d.toml")
    except ModuleNotFoundError as error:
        traceback.print_exc()
        message = line("the Python module {module} is missing", module=error.name)
        hint, code = line("pip install {module}", module=error.name), NeedError.exit_code
    except OSError as error:
        traceback.print_exc()
        message, hint = _disk_words(error, request)
    except Exception as error:  # noqa: BLE001 - the boundary: one line here, the traceback in the log
        traceback.print_exc()
        message = line("{error}: {text}", error=type(error).__name__, text=str(error)[:500])
        hint = line("a fault of r3d-tui: please report it with the stage's log")
    else:
        seconds = time.monotonic() - begun
        return StageFinished(stage, attempt, job.complete(outcome), seconds), 0
    return StageFailed(stage, attempt, message, hint, time.monotonic() - begun, code), code


def _disk_words(error: OSError, request: Request) -> tuple[Line, Line]:
    if is_full(error):
        return line("{folder}: the disk is full", folder=str(request.out)), line(FULL_HINT)
    reason, path = os_reason(error), str(error.filename or "")
    return line("{reason}: {path}", reason=reason, path=path), line(LOG_HINT)


if __name__ == "__main__":
    sys.exit(main())
