"""Which ais_bench is installed: its command, its generation, the versions beside it. It refuses to run a model with it.

The tool calls itself 0.0.2 in every generation, so it is recognised by what `--help` offers. See docs/decisions/0009.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Literal

from msgspec import Struct

from backends.ascend import cann
from backends.core.errors import NeedError
from backends.core.messages import N_, os_reason
from backends.worker.tools import Ending, Tool

Generation = Literal["A", "B", "C", "D", "F"]
"""A: the script of 2022-09. B: the package of 2022-11. C: 2023-06, several devices. D: 2024-06 and what came after it
(E in the contract), with rules for paths, which its help does not distinguish. F: 2026-08, for Python 3.10 and later,
options with dashes."""

PACKAGES = ("ais_bench", "aclruntime", "numpy", "tqdm", "attrs", "setuptools")
LIMIT_S = 60.0
"""The help imports the compiled package, which loads CANN's libraries."""

_ASK = """
import json, sys
from importlib import metadata
found = {"python": "%d.%d.%d" % sys.version_info[:3]}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class AisBench(Struct, frozen=True):
    """An ais_bench that answered."""

    command: tuple[str, ...]
    """Its interpreter and the module or script; options come behind it."""
    generation: Generation

    @property
    def checks_paths(self) -> bool:
        """It refuses paths, modes and links that others take."""
        return self.generation in ("D", "F")


def command(given: Path | None = None) -> tuple[str, ...]:
    """How ais_bench is started: by `given` (a Python, or an ais_infer.py), this Python, or python3 on PATH.

    Raises NeedError where there is none of them.
    """
    if given is not None and not given.is_file():
        text, hint = (
            N_("{path}: no such file"),
            N_("infer.ais_bench is the Python that has ais_bench, or an ais_infer.py"),
        )
        raise NeedError(text, hint=hint, path=str(given))
    if given is not None and given.suffix == ".py":
        return (_python(), str(given))
    if given is not None:
        return (str(given), "-m", "ais_bench")
    if PathFinder.find_spec("ais_bench"):
        return (sys.executable, "-m", "ais_bench")
    return (_python(), "-m", "ais_bench")


def sourced(line: Sequence[str]) -> list[str]:
    """The line behind CANN's `set_env.sh` where there is one."""
    return cann.sourced(cann.find(), line)


def probe(given: Path | None, workspace: Path, limit_s: float = LIMIT_S) -> AisBench:
    """Ask the tool for its help. Raises NeedError with what is wrong and the fix where it gives none."""
    start = command(given)
    ending = _ask([*start, "--help"], workspace, limit_s)
    if ending is None:
        text = N_("ais_bench gave no help in {limit:.0f} s")
        hint = N_("the driver or CANN may hang: run it by hand: {command} --help")
        raise NeedError(text, hint=hint, limit=limit_s, command=" ".join(start))
    generation = generation_of(ending.words) if ending.status == 0 else None
    if generation is None:
        reason = _reason(ending.words) or f"exit status {ending.status}"
        text, hint = N_("ais_bench does not run: {reason}"), _mend(ending.words)
        raise NeedError(text, hint=hint, reason=reason, python=start[0])
    return AisBench(start, generation)


def generation_of(text: str) -> Generation | None:
    """The generation by its help; None where the text is no help of this tool."""
    if "--model" in text and "--output-dirn" in text:  # its help is cut to the terminal's width
        return "F"
    if "--model" not in text or "--output_dirname" not in text:
        return None
    if "--divide_input" in text:
        return "D"
    if "--infer_queue_count" in text:
        return "A"
    return "C" if re.search(r"--device DEVICE\b", text) and "[0, 255]" in " ".join(text.split()) else "B"


def versions(given: Path | None, workspace: Path, limit_s: float = LIMIT_S) -> Mapping[str, str]:
    """Versions of the interpreter (`python`) and of the packages in it that ais_bench needs; empty where it is mute."""
    ending = _ask([command(given)[0], "-c", _ASK, *PACKAGES], workspace, limit_s)
    try:
        found = json.loads(ending.words.strip().splitlines()[-1]) if ending is not None and ending.status == 0 else {}
    except (ValueError, IndexError):
        return {}
    return {str(name): str(value)[:40] for name, value in found.items()} if isinstance(found, dict) else {}


def plain(text: str) -> str:
    """Foreign words without colours and control characters."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return "".join(sign for sign in text if sign.isprintable()).strip()


def _ask(line: Sequence[str], workspace: Path, limit_s: float) -> Ending | None:
    """A short call's end; None where it did not end in time, and was killed."""
    try:
        tool = Tool(sourced(line), workspace, workspace)
    except OSError as error:
        reason = os_reason(error)
        raise NeedError("{tool}: {reason}", hint="fix infer.ais_bench", tool=line[0], reason=reason) from None
    try:
        tool.wait(limit_s)
        there = tool.gone()
    finally:
        ending = tool.end()
    return ending if there else None


def _reason(words: str) -> str:
    """The last line that says something: `ModuleNotFoundError: No module named 'aclruntime'`."""
    lines = [plain(line) for line in words.splitlines()]
    return next((line for line in reversed(lines) if line), "")[:300]


def _mend(words: str) -> str:
    if "No module named" in words and "aclruntime" in words:
        return N_(
            "install aclruntime for this Python ({python}) and this CANN: its .whl stands beside that of ais_bench"
        )
    if "No module named" in words and "ais_bench" in words:
        return N_("install ais_bench and aclruntime as the guide says, or name their Python under [infer] ais_bench")
    if "No module named" in words:
        return N_("install that module for {python}")
    if ".so" in words:
        return N_("source CANN's set_env.sh, or install the CANN that aclruntime was built for")
    return N_("run {python} -m ais_bench --help by hand")


def _python() -> str:
    found = shutil.which("python3")
    if found is None:
        raise NeedError("python3 is not on PATH", hint="name the Python that has ais_bench under [infer] ais_bench")
    return found
