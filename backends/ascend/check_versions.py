"""Rows of the check about versions: beside the guide's table, and whether r3d-tui was run with them at all.

The guide's versions are of 2022. What is pinned in r3d-tui's own requirements was run, on the machines of its tests;
no release of CANN and no driver was: r3d-tui was built against their documents and printed output.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata

from msgspec import Struct

from backends.core.messages import Line, line
from backends.core.needs import Finding

GUIDE_CANN, GUIDE_PYTHON = "5.1.RC2", "3.7.5"
OLDEST_DRIVER, NEWEST_DRIVER = (20, 2), (26, 1)
"""Drivers whose printed npu-smi was read: see tests/ascend/outputs."""
TESTED_MACHINE = "x86_64"
TESTED_PYTHONS = ((3, 11),)
"""Where and with which Python the tests run."""


class Known(Struct, frozen=True):
    """A package of the guide's table."""

    package: str
    guide: str
    bad: tuple[tuple[str, Line], ...] = ()
    """Below such a version: known bad, and why."""
    others: tuple[str, ...] = ()
    """Packages that bring the same module."""


TABLE = (
    Known("torch", "1.8.0", (("2.10", line("loading a foreign checkpoint is not safe there")),)),
    Known("onnx", "1.7.0", (("1.21", line("reading a foreign model is not safe there")),)),
    Known("numpy", "1.21.2"),
    Known("pillow", "8.3.0"),
    Known(
        "opencv-python",
        "4.6.0.66",
        (("4.12", line("decoding foreign images is not safe there")),),
        ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
)
"""torchvision and scikit-image are in the guide's table too; nothing here uses them."""


def package_findings(version: Callable[[str], str | None] | None = None) -> Iterator[Finding]:
    """A row for Python and each package of the table that is installed; `version` gives its version or None."""
    ask, pins = version or _installed, pinned()
    found = platform.python_version()
    tested = any(numbers(found)[:2] == tested for tested in TESTED_PYTHONS)
    yield _beside("Python", GUIDE_PYTHON, found, tested)
    for known in TABLE:
        for name in (known.package, *known.others):
            if (found_here := ask(name)) is not None:
                yield judge(known, name, found_here, pins.get(name))
                break


def judge(known: Known, name: str, found: str, pin: str | None) -> Finding:
    """What a version of a package is, beside the guide's and the one that r3d-tui is tested with."""
    for below, why in known.bad:
        if numbers(found) < numbers(below):
            text = line("{found} (the guide: {guide}), known bad: {why}", found=found, guide=known.guide, why=why)
            hint = line('pip install "{name}>={least}"', name=name, least=below)
            return Finding(f"{name}, guide", "warning", text, hint)
    return _beside(name, known.guide, found, pin is not None and numbers(found) == numbers(pin))


def cann_finding(found: str) -> Finding:
    """What a release of CANN is, beside the guide's: none was run."""
    return _beside("CANN", GUIDE_CANN, found, tested=False)


def _beside(name: str, guide: str, found: str, tested: bool) -> Finding:
    """Met where it is the guide's, or was run on such a machine; untested otherwise, which is no fault."""
    facts = {"found": found, "guide": guide}
    if tested and platform.machine() == TESTED_MACHINE:
        return Finding(f"{name}, guide", "met", line("{found} (the guide: {guide}): tested", **facts))
    if found.upper() == guide.upper():
        return Finding(f"{name}, guide", "met", line("{found}, as in the guide; untested with r3d-tui", **facts))
    return Finding(f"{name}, guide", "unknown", line("{found} (the guide: {guide}): untested with r3d-tui", **facts))


def pinned() -> Mapping[str, str]:
    """The versions that r3d-tui asks for itself on this machine; none where it is not installed as a package."""
    try:
        rows = [text.partition(";") for text in metadata.requires("r3d-tui") or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        return {}
    other = 'python_version < "3.11"' if sys.version_info >= (3, 11) else 'python_version >= "3.11"'
    kept = (pin for pin, _, marker in rows if "==" in pin and other not in marker)
    return {name.strip(): version.strip() for name, _, version in (pin.partition("==") for pin in kept)}


def driver_is_known(found: str) -> bool:
    """npu-smi of that driver prints a table of a layout that was read."""
    return OLDEST_DRIVER <= numbers(found)[:2] <= NEWEST_DRIVER


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers: (5, 1) of 5.1.RC2, (2, 13, 0) of 2.13.0+cpu; zeros at the end make no difference."""
    found: list[int] = []
    for part in re.split(r"[.+-]", version):
        digits = re.match(r"\d+", part)
        if digits is None:
            break
        found.append(int(digits[0]))
        if digits[0] != part:
            break
    while len(found) > 1 and not found[-1]:
        found.pop()
    return tuple(found)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
