"""Calls of `npu-smi`: argument lists, a time limit, one at a time for a user. It reads no tables: `npu_smi` does.

The tool hangs where a driver hangs, so every call ends after a limit, with its whole process group.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from backends.ascend import cann
from backends.ascend.cann import find_acl_python
from backends.ascend.npu_names import (
    is_masked,
    live_ids,
    needs_board,
    parse_mapping,
    soc_from_board,
    socs_from_boards,
    with_mapping,
)
from backends.ascend.npu_smi import parse_info
from backends.ascend.npu_smi_errors import failure
from backends.ascend.npu_text import without_services
from backends.core.files import read_file
from backends.core.messages import N_, line, os_reason
from backends.core.processes import SIMULATED
from backends.core.values import Chip, DeviceTable, ToolFailure

TOOL = "npu-smi"
PLACES = ("/usr/local/sbin/npu-smi", "/usr/local/bin/npu-smi", "/usr/local/Ascend/driver/tools/npu-smi")
"""Where the driver puts the tool, for a PATH that lacks them."""
PAUSE_S = 0.05
WAIT_S = 30.0
"""For a turn: more than the longest call, whose limit ends it before."""
LIMIT_S = 20.0
"""A full report takes up to 5.4 s on eight 910B3."""
LARGEST = 16 << 20


class CallResult(Struct, frozen=True):
    """What a call printed, on both outputs; `failure` where it could not be made or did not end."""

    text: str = ""
    code: int | None = None
    failure: ToolFailure | None = None


def tool() -> str | None:
    """The path of npu-smi; None where there is none."""
    return shutil.which(TOOL) or next((place for place in PLACES if os.access(place, os.X_OK)), None)


@contextlib.contextmanager
def turn(wait_s: float = WAIT_S, name: str = "") -> Iterator[bool]:
    """Hold this user's turn; gives whether it was had: whoever waits too long goes on without it.

    Small boards refuse a call while another is at work, and the tool is slow on large ones. The turn is a name in the
    kernel (an abstract Unix socket, Linux only) that one process of a user can hold. No file is left behind, and it is
    free again however its holder ends. `name` separates turns in tests.
    """
    held = socket.socket(socket.AF_UNIX) if sys.platform == "linux" else None
    until = time.monotonic() + wait_s
    had = False
    try:
        while held is not None and not had:
            try:
                held.bind(f"\0r3d-tui-npu-smi-{os.getuid()}{name}")
                had = True
            except OSError:
                if time.monotonic() >= until:
                    break
                time.sleep(PAUSE_S)
        yield had
    finally:
        if held is not None:
            held.close()


def call(arguments: Sequence[str], limit_s: float = LIMIT_S, *, own_group: bool = True) -> CallResult:
    """`npu-smi` with these arguments. Never raises: a missing or hanging tool is reported in `failure`."""
    path = tool()
    if path is None:
        cause = line("npu-smi is not installed, or not on PATH")
        fix = line("install the Ascend driver, or add /usr/local/sbin and /usr/local/bin to PATH")
        return CallResult(failure=ToolFailure(None, str(line("npu-smi not found")), cause, fix))
    with turn():
        return run((path, *arguments), limit_s, own_group=own_group)


def run(command: Sequence[str], limit_s: float, *, own_group: bool = True) -> CallResult:
    """A command's output within a time limit; then it is killed, with its process group where it has its own.

    `own_group=False` leaves it in this process's group, for a caller that is itself ended as a group.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=own_group,
        )
    except OSError as error:
        reason = os_reason(error)
        cause = line("{tool} cannot be started: {reason}", tool=str(command[0]), reason=reason)
        fix = line("run it by hand, as the user that runs r3d-tui")
        return CallResult(failure=ToolFailure(None, f"{command[0]}: {reason}", cause, fix))
    try:
        data, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        _kill(process, own_group)
        cause = line("{tool} gave no answer in {limit:.0f} s", tool=str(command[0]), limit=limit_s)
        fix = line("the driver may hang: see `dmesg`, and reboot if it stays so")
        return CallResult(
            failure=ToolFailure("timeout", str(line("{tool}: no answer", tool=Path(command[0]).name)), cause, fix)
        )
    except BaseException:  # Ctrl+C reaches this process only
        _kill(process, own_group)
        raise
    return CallResult(data[:LARGEST].decode("utf-8", "replace"), process.returncode)


def _kill(process: subprocess.Popen[bytes], own_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if own_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1)  # a call stuck inside the driver cannot be killed: leave it behind
    if process.stdout:
        process.stdout.close()


def read_table(limit_s: float = LIMIT_S, *, own_group: bool = True) -> DeviceTable:
    """One live `npu-smi info`, without the questions that only the panel needs; `error` where it failed."""
    answer = call(("info",), limit_s, own_group=own_group)
    if answer.failure:
        return DeviceTable("live", answer.failure)
    table = parse_info(answer.text, "live")
    if os.environ.get(SIMULATED):  # wherever a figure of such a chip is shown, its name is beside it
        named = tuple(replace(chip, name=f"{chip.name} simulated") for chip in table.chips)
        table = replace(table, chips=named)
    if answer.code and table.chips:  # a table cut short by a failing tool
        return replace(table, error=failure(answer.text) if "ret is" in answer.text else None)
    return table


def read_ids(limit_s: float = LIMIT_S, *, own_group: bool = True) -> DeviceTable:
    """The live table, with the logic ids that it does not have itself."""
    table = read_table(limit_s, own_group=own_group)
    if any(chip.device_id is None for chip in table.chips):
        return live_ids(table, parse_mapping(call(("info", "-m"), limit_s, own_group=own_group).text))
    return table


def read_devices(source: str | Path = "live", limit_s: float = LIMIT_S) -> DeviceTable:
    """The chips of this machine (`live`), of standard input (`-`), or of a file of saved output.

    Live, what the table does not have is asked for: logic ids (`-m`), the soc_version of A3 and 950 (`-t board`), and
    `acl.get_soc_name()` where CANN is there. Raises InputError where the file cannot be read.
    """
    if str(source) != "live":
        text = without_services(_saved(source))
        table = with_mapping(parse_info(text, str(source)), parse_mapping(text))
        boards = socs_from_boards(text)
        return replace(table, chips=tuple(_with_saved_board(chip, boards) for chip in table.chips))
    table = read_ids(limit_s)
    if not table.chips:
        return table
    chips = tuple(_with_board(chip, limit_s) for chip in table.chips)
    return replace(table, chips=_with_acl(chips, limit_s))


def _saved(source: str | Path) -> str:
    hint = N_("give a file that holds the output of `npu-smi info`, or - for standard input")
    named = str(source) != "-"
    data = read_file(Path(source), hint=hint, most=LARGEST) if named else sys.stdin.buffer.read(LARGEST)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data.decode(encoding, "replace")


def _with_board(chip: Chip, limit_s: float) -> Chip:
    if not needs_board(chip.name):
        return chip
    ids = ("-i", str(chip.npu_id)) if chip.chip_id is None else ("-i", str(chip.npu_id), "-c", str(chip.chip_id))
    return replace(chip, soc_version=soc_from_board(call(("info", "-t", "board", *ids), limit_s).text))


def _with_saved_board(chip: Chip, boards: Mapping[tuple[int, int | None], str]) -> Chip:
    if not (needs_board(chip.name) or is_masked(chip.name)):
        return chip
    found = boards.get((chip.npu_id, chip.chip_id), boards.get((chip.npu_id, None)))
    return chip if found is None else replace(chip, soc_version=found)


def _with_acl(chips: tuple[Chip, ...], limit_s: float) -> tuple[Chip, ...]:
    """`acl.get_soc_name()` is the authority; it names the host's chips, so it counts where all are of one name."""
    found = cann.find()
    if len({chip.name for chip in chips}) != 1 or (found is None and PathFinder.find_spec("acl") is None):
        return chips
    name = find_acl_python(None, found, limit_s).soc_name
    if not (name.startswith("Ascend") and name[6:].replace("_", "").replace("-", "").isalnum()):
        return chips
    return tuple(replace(chip, soc_version=name) for chip in chips)
