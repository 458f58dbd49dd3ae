"""What can be read of an `.om` without CANN: that it is one, and the chip and precision mode that atc was given for it.

atc keeps its own command line in the model as text, under the name `atc_cmdline` (the graph engine's `GeAttrDefine`).
The compile stage calls it.
"""

from __future__ import annotations

import mmap
import re
from pathlib import Path

MAGIC = b"IMOD"
DEFAULT_MODE = "force_fp16"
"""atc's own for inference, where its command line names none."""
_LINE = 8192
"""Bytes of the command line that are looked at."""
_SOC = re.compile(rb"--?soc_version[= ]\"?(Ascend[\w-]{3,40})")
_MODE = re.compile(rb"--?precision_mode(?:_v2)?[= ]\"?([a-z0-9_]{2,40})")


def is_om(path: Path) -> bool:
    """Its first bytes are those of a model that atc wrote. OSError where it cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def command_line(path: Path) -> bytes:
    """atc's own, as the file has it, and what stands behind it; empty where the file has none."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"atc_cmdline")
        return b"" if at < 0 else data[at : at + _LINE]


def mode_of(command: bytes) -> str:
    """The precision mode of atc's command line."""
    found = _MODE.search(command)
    return found[1].decode("ascii") if found else DEFAULT_MODE


def soc_version_of(command: bytes) -> str | None:
    """The chip that it names; None where it names none."""
    found = _SOC.search(command)
    return found[1].decode("ascii") if found else None
