"""What goes into a bundle, part by part, unmasked. It reads and asks; a part that cannot be had says why and is no end.

Every file is read through `tail`: the end of it, from the beginning of a line, so that half a secret never stands there
without what would have told it.
"""

import contextlib
import json
import os
import platform
import re
import sqlite3
import stat
from collections import deque
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from msgspec import Struct

from backends.ascend import plog
from backends.core.events import to_json
from backends.core.messages import Line, R3dError, line, os_reason
from backends.core.needs import Finding
from backends.core.processes import SIMULATED
from backends.engine.folders import Folders, RunFolder
from backends.engine.journal import JournalReader, is_readable, read_state

LOG_BYTES = 256 << 10
"""Of each log."""
LARGEST_TOML = 256 << 10
EVENTS = 5000
"""The last ones of a run."""
LOGS = 60
"""Of a run, the latest."""
PLOG_ROWS = 50
"""The first errors of CANN's own logs of one attempt."""
PACKAGES = ("aclruntime", "ais_bench", "onnxruntime-cann", "te", "opc-tool", "auto-tune", "hccl", "torch-npu")
"""Beside our own dependencies: what an Ascend server brings along."""
VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_OPP_PATH", "ASCEND_RT_VISIBLE_DEVICES", "ASCEND_TOOLKIT_HOME", "COLORTERM",
             "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NO_COLOR", "OMP_NUM_THREADS", "PATH", "PYTHONPATH", "SHELL",
             "TERM")  # fmt: skip
"""All of the environment that goes along."""


class Part(Struct, frozen=True):
    """One file of the bundle. `kind` says how it is masked: as a text, as one JSON value, or as one value a line."""

    name: str
    text: str
    kind: str = "text"
    cut: Line = Line("")
    """What of it was left out, in words."""


def parts(workspace: Path | None, findings: Callable[[], tuple[Finding, ...]]) -> Iterator[Part]:
    """Every part of the machine, then every part of the workspace. `findings` may raise what doctor raises."""
    said, driver = _npu_smi()
    yield Part("versions.txt", "\n".join(_versions(driver)) + "\n")
    environment = (f"{name}={os.environ[name]}\n" for name in VARIABLES if name in os.environ)
    yield Part("environment.txt", "".join(environment))
    yield Part("doctor.txt", _findings(findings))
    yield Part("npu-smi.txt", said)
    if workspace is not None:
        yield from _workspace(workspace)


def tail(path: Path, limit: int) -> tuple[str, Line]:
    """The last `limit` bytes from a line's beginning on, and what was left out: links and devices as a whole."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if path.is_symlink() or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "", line("no plain file")
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        data = file.read(limit)
    if size <= limit:
        return data.decode("utf-8", "replace"), Line("")
    data = data.partition(b"\n")[2]
    kept = line("the last {kept} of {size} bytes", kept=len(data), size=size)
    return data.decode("utf-8", "replace"), kept


def _versions(driver: str | None) -> Iterator[str]:
    from backends.ascend import cann
    from backends.monitor.cpu_groups import machine, versions

    here = machine()
    yield f"Python {platform.python_version()} ({platform.python_implementation()}, {' '.join(platform.libc_ver())})"
    yield f"system {here['system']}"
    yield f"CPU {here['cores']} cores, {here['cpu']}"
    yield f"driver {driver or '-'}"
    found = cann.find()
    yield f"CANN {(found.version if found else None) or '-'}"
    asked = sorted({*_dependencies(), *PACKAGES}, key=str.lower)
    known = versions(asked)
    for name in ("r3d-tui", *asked):
        yield f"{name}=={known.get(name, '-')}"


def _dependencies() -> list[str]:
    try:
        wanted = [text for text in metadata.requires("r3d-tui") or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        return []
    return [found[0] for found in map(re.compile(r"[\w.-]+").match, wanted) if found]


def _findings(findings: Callable[[], tuple[Finding, ...]]) -> str:
    try:
        rows = findings()
    except R3dError as error:
        return f"doctor ended: {error}\n"
    except Exception as error:  # noqa: BLE001 - a fault of ours is one more thing that a bundle is for
        return f"doctor ended: {type(error).__name__}: {error}\n"
    hints = (f" ({row.hint})" if row.hint.template else "" for row in rows)
    return "".join(f"{row.state:<8} {row.name}: {row.found}{hint}\n" for row, hint in zip(rows, hints, strict=True))


def _npu_smi() -> tuple[str, str | None]:
    """What npu-smi says, and the driver's version by it."""
    from backends.ascend.npu_smi import parse_info
    from backends.ascend.npu_smi_calls import call

    said, driver = ["# the chips are simulated\n"] if os.environ.get(SIMULATED) else [], None
    for arguments in (("info",), ("info", "-l"), ("info", "-m")):
        answer = call(arguments)
        text = str(answer.failure.cause) if answer.failure else answer.text.rstrip("\n")
        said.append(f"$ npu-smi {' '.join(arguments)}\n{text}\n")
        if answer.failure:
            break
        driver = driver or parse_info(answer.text).driver_version
    return "\n".join(said), driver


def _workspace(workspace: Path) -> Iterator[Part]:
    yield _file("r3d.toml", workspace / "r3d.toml", LARGEST_TOML)
    folders = Folders(workspace)
    runs = folders.all_runs()
    states = [(folder, read_state(folder.journal)) for folder in runs[:50]]
    lines = [f"{folder.id} {run.state if run and is_readable(run) else 'unreadable'}\n" for folder, run in states]
    yield Part("runs.txt", "".join(lines), cut=line("{n} runs in all", n=len(runs)) if len(runs) > 50 else Line(""))
    failed = next((folder for folder, run in states if run is not None and run.state == "failed"), None)
    for folder in dict.fromkeys([*runs[:1], *([failed] if failed else [])]):
        yield from _run(folder)


def _run(folder: RunFolder) -> Iterator[Part]:
    here = f"runs/{folder.id}"
    yield _events(f"{here}/events.jsonl", folder)
    yield _file(f"{here}/plan.json", folder.plan, 4 << 20, kind="json")
    yield _file(f"{here}/samples.jsonl", folder.samples, LOG_BYTES, kind="jsonl")
    yield _file(f"{here}/supervisor.log", folder.supervisor_log, LOG_BYTES)
    logs = sorted((folder.path / "logs").glob("*.log"), key=lambda path: path.lstat().st_mtime_ns, reverse=True)
    for path in logs[:LOGS]:
        yield _file(f"{here}/logs/{path.name}", path, LOG_BYTES)
    if len(logs) > LOGS:
        yield Part(f"{here}/logs", "", cut=line("{n} older logs", n=len(logs) - LOGS))
    for path in sorted((folder.path / "attempts").glob(f"*/{plog.FOLDER}")):
        if rows := plog.first_errors(path, PLOG_ROWS):
            yield Part(f"{here}/plog/{path.parent.name}.log", "".join(f"{row}\n" for row in rows))


def _file(name: str, path: Path, limit: int, kind: str = "text") -> Part:
    try:
        text, cut = tail(path, limit)
    except FileNotFoundError:
        return Part(name, "")
    except OSError as error:
        return Part(name, "", cut=line("{reason}", reason=os_reason(error)))
    return Part(name, text, "text" if kind == "json" and cut.template else kind, cut)


def _events(name: str, folder: RunFolder) -> Part:
    last: deque[str] = deque(maxlen=EVENTS)
    count = 0
    try:
        with contextlib.closing(JournalReader(folder.journal)) as reader:
            for number, at, event in reader.events():
                last.append(json.dumps({"seq": number, "at": at, **json.loads(to_json(event))}))
                count += 1
    except (sqlite3.Error, OSError) as error:
        return Part(name, "", cut=line("{reason}", reason=str(error)))
    cut = line("the last {kept} of {n} events", kept=EVENTS, n=count) if count > EVENTS else Line("")
    return Part(name, "".join(f"{text}\n" for text in last), "jsonl", cut)
