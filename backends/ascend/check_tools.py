"""Rows of the check about tools of CANN under a Python of their own (atc's compiler, ais_bench), and about versions.

What atc's Python has to have is the table of run-time dependencies in CANN's installation guides of 5.1 to 9.1. Every
question has a limit, and runs in a process of its own. The guide's versions are of 2022. What is pinned in r3d-tui's
own requirements was run, on the machines of its tests; no release of CANN and no driver was: r3d-tui was built against
their documents and printed output.
"""

import json
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from msgspec import Struct

from backends.ascend import cann
from backends.ascend.ais_bench_install import probe, versions
from backends.ascend.npu_smi_calls import run
from backends.core.messages import Line, NeedError, line
from backends.core.needs import Finding
from backends.core.processes import SIMULATED
from backends.core.settings import Settings

NAME = "atc's Python"
SYSTEM_PYTHON = "/usr/bin/python3"
"""The compiler of operators may take this one although another comes first on PATH."""
LIMIT_S = 20.0
MODULES = {
    "numpy": "numpy",
    "decorator": "decorator",
    "attr": "attrs",
    "psutil": "psutil",
    "scipy": "scipy",
    "sympy": "sympy",
    "cffi": "cffi",
    "google.protobuf": "protobuf",
}
"""What atc's compiler of operators imports, and the packages that bring it."""
NUMPY_2_CANN = (9,)
"""From here on the guides no longer ask for NumPy below 2; from Python 3.13 on they never did."""
TOOL_LIMIT_S = 30.0
SPARE_LIMIT_S = 10.0
"""Where nothing depends on the answer."""
ACLRUNTIME = "0.0.2"

_ASK = """
import json, sys
from importlib.util import find_spec
def there(name):
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
missing = [name for name in sys.argv[1:] if not there(name)]
numpy = ""
if "numpy" not in missing:
    import numpy as imported
    numpy = imported.__version__
print(json.dumps({"python": list(sys.version_info[:3]), "path": sys.executable, "missing": missing, "numpy": numpy}))
"""


def atc_python_findings(version: str | None) -> Iterator[Finding]:
    """A row, none where the chips are simulated; `version` is CANN's. The system's Python where the first one lacks."""
    if os.environ.get(SIMULATED):
        return
    answer = _ask("python3")
    if answer is None:
        yield Finding(NAME, "unknown", line("python3 does not report what it has"))
        return
    first = _python_finding(answer, version)
    yield first
    if first.state == "met" or os.path.realpath(SYSTEM_PYTHON) == os.path.realpath(str(answer["path"])):
        return
    if (other := _ask(SYSTEM_PYTHON)) is not None:
        yield _python_finding(other, version)


def _python_finding(answer: Mapping[str, Any], version: str | None) -> Finding:
    facts = {"python": ".".join(map(str, answer["python"])), "path": str(answer["path"])}
    lacking = [MODULES[name] for name in answer["missing"] if name in MODULES]
    takes_2 = version is not None and numbers(version) >= NUMPY_2_CANN
    too_new = numbers(answer["numpy"]) >= (2,) and tuple(answer["python"]) < (3, 13) and not takes_2
    packages = " ".join([*lacking, *["'numpy<2'"] * too_new])
    fix = line("in {path}: pip install {packages}", path=facts["path"], packages=packages)
    if lacking:
        text = line("{python} in {path}: {packages} missing", **facts, packages=", ".join(lacking))
        return Finding(NAME, "warning", text, fix)
    if too_new:
        text = line(
            "{python} in {path}: NumPy {numpy}, CANN before 9 wants one below 2", **facts, numpy=answer["numpy"]
        )
        return Finding(NAME, "warning", text, fix)
    return Finding(NAME, "met", line("{python} in {path}", **facts))


def _ask(python: str) -> dict[str, Any] | None:
    try:
        command = cann.sourced(cann.find(), [python, "-c", _ASK, *MODULES])
    except NeedError:
        return None
    answer = run(command, LIMIT_S)
    try:
        found = json.loads(answer.text.strip().splitlines()[-1]) if answer.code == 0 else None
    except (ValueError, IndexError):
        return None
    return found if isinstance(found, dict) else None


def ais_bench_findings(settings: Settings, limit_s: float = TOOL_LIMIT_S) -> Iterator[Finding]:
    """Two rows, and a third where its Python has no pkg_resources."""
    given, place = settings.infer.ais_bench, Path.cwd()
    try:
        tool = probe(given, place, limit_s)
    except NeedError as error:
        yield Finding("ais_bench", "missing", error.line, error.hint)
        if "aclruntime" in str(error.line):
            yield Finding("aclruntime", "missing", line("not installed there"), error.hint)
        else:
            yield Finding("aclruntime", "unknown", line("not known: ais_bench does not answer"))
        return
    found = line("generation {name} ({command})", name=tool.generation, command=" ".join(tool.command))
    yield Finding("ais_bench", "met", found)
    yield from tool_findings(versions(given, place, limit_s), tool.generation)


def spare_findings(settings: Settings) -> Iterator[Finding]:
    """The same rows where another runtime is set: what is missing is no fault, and is reported without a fix."""
    for finding in ais_bench_findings(settings, SPARE_LIMIT_S):
        if finding.state == "met":
            yield finding
        else:
            found = line("{found}; only infer.runtime = ais_bench needs it", found=finding.found)
            yield Finding(finding.name, "unknown", found)


def tool_findings(found: Mapping[str, str], generation: str) -> Iterator[Finding]:
    """What the Python of ais_bench has, where that is known to matter."""
    runtime = found.get("aclruntime")
    if runtime is None:
        hint = line("install the aclruntime .whl that is beside that of ais_bench, for this Python and this CANN")
        yield Finding("aclruntime", "warning", line("version not reported"), hint)
    elif runtime != ACLRUNTIME:
        text = line("{found}: ais_bench knows 0.0.2 only, and runs slower with others", found=runtime)
        yield Finding("aclruntime", "warning", text, line("install the two .whl files of one release"))
    else:
        yield Finding("aclruntime", "met", line("{found}", found=runtime))
    setup = found.get("setuptools")
    if setup is not None and numbers(setup) < (81,):
        return
    lacks: Line = line("setuptools {found}: no pkg_resources", found=setup or "?")
    text = line("{found}: it runs slower", found=lacks)
    if generation == "D":
        text = line("{found}: a release of 2024 crashes without it, later ones run slower", found=lacks)
    hint = line('for that Python ({python}): pip install "setuptools<81"', python=found.get("python", "?"))
    yield Finding("ais_bench, setuptools", "warning", text, hint)


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
