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
from collections.abc import Iterator, Mapping
from typing import IO, Any

from backends.core.codec import DecodeError, loads
from backends.core.events import (
    DeviceChanged,
    Event,
    ItemSetAside,
    Outcome,
    StageFailed,
    StageFinished,
    StageNote,
    StageStopped,
    to_json,
)
from backends.core.files import FULL_HINT, LOG_HINT, is_full
from backends.core.messages import Line, NeedError, R3dError, Scalar, Stopped, line, os_reason, size
from backends.core.processes import die_with_parent, kill_group
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
        _log(_worth_keeping(event))
        data = to_json(event).encode("ascii") + b"\n"
        with lock:
            while data:
                data = data[out.write(data) :]

    first = sys.stdin.buffer.readline()
    if not first:
        return 1
    request = loads(Request, first)
    _log(f"{request.stage}: attempt {request.attempt} in {request.out}")
    job = Job(request, say)
    threading.Thread(target=_listen, args=(sys.stdin.buffer, job), name="lifeline", daemon=True).start()
    ending, code = _run(request, job)
    say(ending)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of native libraries must not hold a finished stage back


def _log(text: str | None) -> None:
    if text:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _worth_keeping(event: Event) -> str | None:
    """What a person may look for later, as a line of the log; the log's reader makes foreign text harmless."""
    if isinstance(event, StageNote):
        return f"{event.level}: {event.text}"
    if isinstance(event, ItemSetAside):
        return f"skipped: {event.item}: {event.reason}"
    if isinstance(event, DeviceChanged):
        return f"device {event.device}: {event.state} {event.reason}".rstrip()
    if isinstance(event, StageFinished):
        return f"done in {event.seconds:.1f} s: {', '.join(_figures(event.outcome.figures))}"
    if isinstance(event, StageFailed):
        return f"failed: {event.message}"
    return "stopped" if isinstance(event, StageStopped) else None


NAMES = {
    "clips_taken_up": "clips resumed",
    "devices_retired": "devices dropped",
    "videos_set_aside": "videos skipped",
}
"""Figures whose keys scripts know, in the words of today."""


def _figures(figures: Mapping[str, Scalar]) -> Iterator[str]:
    """As a person reads them: `clips/s 1,539`; none that nobody measured, none twice under an old name."""
    for name, value in figures.items():
        if value is None or name == "text" or (name == "videos_set_aside" and "videos_skipped" in figures):
            continue
        if name == "bytes" and isinstance(value, int):
            yield size(value)
        else:
            yield f"{NAMES.get(name) or name.replace('_per_s', '/s').replace('_', ' ')} {_shown(value)}"


def _shown(value: Scalar) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


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
        traceback.print_exc()
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
