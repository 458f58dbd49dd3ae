"""Versions against the guide's table: the same, newer and known good, known bad, or not tried. It imports nothing.

The guide's versions are of 2022. What is known good was run together (see docs); what is known bad has its reason.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata

from msgspec import Struct

from backends.core.messages import Line, line
from backends.core.needs import Finding

GUIDE_CANN = "5.1.RC2"
NEWEST_CANN = (8,)
"""Opset 11 compiles on every release that publishes its operators: 5.0.4 to 8.x."""
OLDEST_CANN = (5, 0, 4)
OLDEST_DRIVER, NEWEST_DRIVER = (20, 2), (26, 1)
"""Drivers whose npu-smi was read: see tests/ascend/outputs."""


class Known(Struct, frozen=True):
    """A package of the guide's table."""

    package: str
    guide: str
    good: tuple[str, str]
    """From and to: what is known good, by the leading numbers that are given."""
    bad: tuple[tuple[str, Line], ...] = ()
    """Below such a version: known bad, and why."""
    others: tuple[str, ...] = ()
    """Packages that bring the same module."""


PYTHON = Known("Python", "3.7.5", ("3.10", "3.13"))
TABLE = (
    Known("torch", "1.8.0", ("2.10", "2.13"), (("2.10", line("loading a foreign checkpoint is not safe there")),)),
    Known("onnx", "1.7.0", ("1.21", "1.23"), (("1.21", line("reading a foreign model is not safe there")),)),
    Known("numpy", "1.21.2", ("1.21.2", "2.4")),
    Known("pillow", "8.3.0", ("9.5", "13.0")),
    Known(
        "opencv-python",
        "4.6.0.66",
        ("4.12", "5.0"),
        (("4.12", line("decoding foreign images is not safe there")),),
        ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ),
)
"""torchvision and scikit-image stand in the guide's table too; nothing here uses them."""


def package_findings(version: Callable[[str], str | None] | None = None) -> Iterator[Finding]:
    """A row for Python and each package of the table that is installed; `version` gives its version or None."""
    ask = version or _installed
    yield judge(PYTHON, PYTHON.package, platform.python_version())
    for known in TABLE:
        for name in (known.package, *known.others):
            found = ask(name)
            if found is not None:
                yield judge(known, name, found)
                break


def judge(known: Known, name: str, found: str) -> Finding:
    """What a version of a package is, beside the guide's."""
    row = f"{name}, guide"
    facts = {"found": found, "guide": known.guide}
    for below, why in known.bad:
        if numbers(found) < numbers(below):
            text = line("{found} (the guide: {guide}), known bad: {why}", **facts, why=why)
            hint = line('pip install "{name}>={least}"', name=name, least=below)
            return Finding(row, "warning", text, hint)
    if numbers(found) == numbers(known.guide):
        return Finding(row, "met", line("{found}, as in the guide", **facts))
    least, most = (numbers(bound) for bound in known.good)
    if least <= numbers(found) and numbers(found)[: len(most)] <= most:
        return Finding(row, "met", line("{found}, newer than the guide's {guide} and known good", **facts))
    return Finding(row, "unknown", line("{found} (the guide: {guide}): not tried", **facts))


def cann_finding(found: str) -> Finding:
    """What a release of CANN is, beside the guide's."""
    name, facts = "CANN, guide", {"found": found, "guide": GUIDE_CANN}
    if found.upper() == GUIDE_CANN:
        return Finding(name, "met", line("{found}, as in the guide", **facts))
    if not (*numbers(found), 0, 0)[:3] >= OLDEST_CANN or numbers(found)[:1] > NEWEST_CANN:
        return Finding(name, "unknown", line("{found} (the guide: {guide}): not tried", **facts))
    if numbers(found)[:2] < numbers(GUIDE_CANN):
        return Finding(name, "met", line("{found}, older than the guide's {guide} and known good", **facts))
    return Finding(name, "met", line("{found}, newer than the guide's {guide} and known good", **facts))


def driver_is_known(found: str) -> bool:
    """npu-smi of that driver prints a table of a layout that was read."""
    return OLDEST_DRIVER <= numbers(found)[:2] <= NEWEST_DRIVER


def tool_findings(versions: Mapping[str, str], generation: str) -> Iterator[Finding]:
    """What the Python of ais_bench has, where that is known to matter."""
    runtime = versions.get("aclruntime")
    if runtime is None:
        hint = line("install the aclruntime .whl that stands beside that of ais_bench, for this Python and this CANN")
        yield Finding("aclruntime", "warning", line("its version is not told"), hint)
    elif runtime != "0.0.2":
        text = line("{found}: ais_bench knows 0.0.2 only, and runs slower with others", found=runtime)
        yield Finding("aclruntime", "warning", text, line("install the two .whl files of one release"))
    else:
        yield Finding("aclruntime", "met", line("{found}", found=runtime))
    setup = versions.get("setuptools")
    if setup is not None and numbers(setup) < (81,):
        return
    found = line("setuptools {found}: no pkg_resources", found=setup or line("is not there"))
    hint = line('for that Python ({python}): pip install "setuptools<81"', python=versions.get("python", "?"))
    text = line("{found}: it runs slower", found=found)
    if generation == "D":
        text = line("{found}: a release of 2024 crashes without it, later ones run slower", found=found)
    yield Finding("ais_bench, setuptools", "warning", text, hint)


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
