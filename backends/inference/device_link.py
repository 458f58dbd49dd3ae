"""The process of a device from the stage's side: spawn, orders, answers, how it ended. It decides nothing.

It is spawned by exec, never forked, and stays in the stage's process group, so that whoever ends the group ends it
too; the kernel ends it with the stage's main thread, and the end of its standard input is its lifeline.
"""

import contextlib
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from backends import device as device_package
from backends.ascend import cann as toolkit
from backends.ascend import plog
from backends.ascend.diagnosis import diagnose
from backends.core.messages import N_, Fact, InputError, Line, NeedError, R3dError, StageError
from backends.core.processes import child_environment, foreign_environment
from backends.device.failures import HANGS, LOG, MEMORY, DeviceError, Message
from backends.device.model_runtime import load
from backends.device.protocol import Answer, AnswerStream, DeviceSetup, Order, ProtocolError, to_bytes
from backends.inference.runtime_registry import Chosen

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that a person or the kernel sends; what a fault of the work raises is not among them."""
STOPPED = N_("find who stopped it: `kill -CONT` lets a process go on")
CRASHED = N_("see the stage's log and `dmesg`: driver, CANN and model must fit each other")

LAST_WORDS = 1 << 16
"""Bytes of the log in which the cause of a device's end is looked for."""

MAIN = Path(device_package.__file__).with_name("__main__.py")
"""What the process runs: a path, so that another Python finds it too."""


def as_line(message: Message) -> Line:
    return Line(message.template, {name: _fact(one) for name, one in message.facts.items()})


def _fact(value: Any) -> Fact:
    """A message in a message came through the pipe as a list."""
    if isinstance(value, list | Message):
        return as_line(Message(*value))
    fact: Fact = value
    return fact


def as_error(answer: Answer, text: Line) -> R3dError:
    """What to raise for a device that failed; `text` says it."""
    kinds: dict[int, type[R3dError]] = {2: InputError, 3: NeedError}
    hint = as_line(answer.hint)
    return kinds.get(answer.exit_code, StageError)(text.template, hint=hint.template, **{**hint.facts, **text.facts})


class DeviceLink(Protocol):
    """What the pool needs of a device: a process of ours, or a tool (`ascend.ais_bench_device`)."""

    device: str
    failed: Answer | None
    """What it reported of its own end."""
    plog: Path | None
    """The folder of CANN's own log of it; None where it has none."""

    @property
    def pid(self) -> int | None:
        """The process to show; None while there is none."""

    def fileno(self) -> int:
        """The descriptor to wait on for answers; -1: ask in each turn."""

    def order(self, order: Order) -> None:
        """Send an order; never blocks."""

    def flush(self) -> None:
        """Send what could not be sent before."""

    def answers(self) -> tuple[list[tuple[Answer, bytes]], bool]:
        """The answers that are here, and whether it has ended."""

    def ended(self) -> Answer:
        """Kill and reap it; why it had ended."""

    def silence(self, seconds: float) -> Answer:
        """Why it may be silent."""

    def kill(self) -> None:
        """End it at once. Safe to call twice."""

    def gone(self) -> bool:
        """It has ended."""


class ProcessLink:
    """One process of one device. Make it on the stage's main thread: the kernel ties its life to that thread."""

    def __init__(
        self, setup: DeviceSetup, workspace: Path, chosen: Chosen | None = None, plog_folder: Path | None = None
    ) -> None:
        """Spawn the process as its runtime was chosen, and send its setup. Raises OSError where it cannot."""
        self.plog = plog_folder
        self._explain = chosen.info.explain if chosen is not None else ""
        self._may_diagnose = chosen is not None and chosen.info.in_cann
        self._log_at = _log_end()
        cann, python = (chosen.cann, chosen.python) if chosen is not None else (None, None)
        self.device = setup.device.id
        self.failed: Answer | None = None
        """What it said of its own end."""
        self._frames = AnswerStream()
        self._unsent = bytearray()
        self._process = subprocess.Popen(
            _command(cann, python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(setup, workspace, python, plog_folder),
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._down, self._up = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._down, False)
        os.set_blocking(self._up, False)
        self._send(to_bytes(setup))

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._up

    def order(self, order: Order) -> None:
        """Send an order; never blocks, even where the process does not read."""
        self._log_at = _log_end()
        self._send(to_bytes(order))

    def flush(self) -> None:
        self._send(b"")

    def answers(self) -> tuple[list[tuple[Answer, bytes]], bool]:
        """The answers that are here, and whether the process has closed its end or speaks nonsense."""
        found: list[tuple[Answer, bytes]] = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._up, 1 << 16):
                try:
                    found.extend(self._frames.feed(data))
                except ProtocolError as error:
                    reason = Message(N_("not a valid answer: {text}"), {"text": str(error)[:200]})
                    self.failed = Answer("failed", reason=reason, exit_code=1)
                    return self._noted(found), True
            return self._noted(found), True
        return self._noted(found), False

    def _noted(self, found: list[tuple[Answer, bytes]]) -> list[tuple[Answer, bytes]]:
        """What it says of its end is kept, in words."""
        noted = [(self.explained(one), body) if one.kind == "failed" else (one, body) for one, body in found]
        self.failed = next((one for one, _ in noted if one.kind == "failed"), self.failed)
        return noted

    def explained(self, answer: Answer) -> Answer:
        """What it failed with, an error code of its library in words."""
        facts = answer.reason.facts
        if not self._explain or "call" not in facts or "code" not in facts:
            return self._diagnosed(answer) if answer.hint.template == LOG else answer
        error: DeviceError = load(self._explain)(str(facts["call"]), int(facts["code"]))
        return replace(answer, reason=error.reason, hint=error.hint, policy=error.policy, blame=error.blame)

    def _diagnosed(self, answer: Answer) -> Answer:
        """With the cause and fix of what CANN's libraries wrote to standard error, our log, since the last order."""
        if not self._may_diagnose:
            return answer
        found = diagnose(f"{_log_since(self._log_at)}\n{as_line(answer.reason)}", "run")
        if found is None:
            return answer
        reason, fix = (Message(one.template, dict(one.facts)) for one in (found.reason, found.fix))
        return replace(answer, reason=reason, hint=fix, policy="again" if found.again else "never")

    def ended(self) -> Answer:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)  # its pipe is closed: it is on its way out by itself
        code = self._process.returncode
        self.kill()
        if self.failed is not None:
            return self.failed
        if code is None:
            return _failed("it stopped answering", HANGS)
        if code < 0:
            name = signal.Signals(-code).name if -code in list(signal.Signals) else str(-code)
            outside = -code in FROM_OUTSIDE
            text, hint = N_("its process was ended by {signal}"), MEMORY if outside else CRASHED
            answer = replace(_failed(text, hint, signal=name), blame=not outside, is_killed=outside)
            return answer if outside else self._diagnosed(answer)
        return self._diagnosed(_failed("its process ended with exit code {code}", CRASHED, code=code))

    def silence(self, seconds: float) -> Answer:
        if self.failed is not None:  # it could not even release its device
            return self.failed
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
            if stat.rpartition(")")[2].split()[0] in "Tt":
                text = N_("its process was stopped (SIGSTOP) for {seconds:.0f} s")
                return replace(_failed(text, STOPPED, seconds=seconds), blame=False, is_killed=True)
        return _failed("no answer for {seconds:.0f} s", HANGS, seconds=seconds)

    def kill(self) -> None:
        """End the process at once, stopped or not, and close the pipes. Safe to call twice."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def gone(self) -> bool:
        return self._process.poll() is not None

    def _send(self, data: bytes) -> None:
        self._unsent += data
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._unsent:
                del self._unsent[: os.write(self._down, self._unsent)]


def _failed(template: str, hint: str, **facts: Any) -> Answer:
    return Answer("failed", reason=Message(template, facts), hint=Message(hint), exit_code=1)


def close_all(links: Sequence[DeviceLink], seconds: float) -> None:
    """Ask the processes to close, wait `seconds` for all of them, kill what is left."""
    until = time.monotonic() + seconds
    for link in links:
        link.order(Order(close=True))
    while time.monotonic() < until and not all(link.gone() for link in links):
        for link in links:
            link.flush()
            link.answers()  # a process blocked on a full pipe could not end
        time.sleep(0.01)
    for link in links:
        link.kill()


def _log_end() -> int:
    """Where our log ends: devices write to the same. 0 where standard error is not a file."""
    info = os.fstat(2)
    return info.st_size if stat.S_ISREG(info.st_mode) else 0


def _log_since(begin: int) -> str:
    """The end of our log; nothing where standard error is not a file."""
    end = _log_end()
    with contextlib.suppress(OSError), open("/proc/self/fd/2", "rb") if end else io.BytesIO() as log:
        log.seek(max(begin, end - LAST_WORDS))
        return log.read(LAST_WORDS).decode("utf-8", "replace")
    return ""


def _command(cann: toolkit.Toolkit | None, python: Path | None) -> list[str]:
    command = [str(python or sys.executable), str(MAIN)]
    if cann is not None:
        command = toolkit.sourced(cann, command)
    if setpriv := shutil.which("setpriv"):  # from the first instruction on, not only once Python has started
        return [setpriv, "--pdeathsig", "KILL", "--", *command]
    return command


def _environment(setup: DeviceSetup, workspace: Path, python: Path | None, plog_folder: Path | None) -> dict[str, str]:
    threads = str(max(1, len(setup.device.cores)))
    extra = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
    if plog_folder is not None:
        extra |= plog.environment(plog_folder)
    if python is not None:
        extra["PYTHONPATH"] = foreign_environment().get("PYTHONPATH", "")
    return child_environment(workspace, extra)
