"""Rows of the check about the tools of CANN that run under a Python of their own: atc's compiler, and ais_bench.

What atc's Python has to have is the table of run-time dependencies in CANN's installation guides of 5.1 to 9.1. Every
question has a limit, and runs in a process of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from backends.ascend import cann
from backends.ascend.ais_bench_install import probe, versions
from backends.ascend.check_versions import numbers
from backends.ascend.chip_query import SIMULATED
from backends.ascend.npu_smi_calls import run
from backends.core.errors import NeedError
from backends.core.messages import Line, line
from backends.core.needs import Finding
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


def atc_python_findings(version: str | None, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """A row, none where the chips are simulated; `version` is CANN's. The system's Python where the first one lacks."""
    if os.environ.get(SIMULATED):
        return
    answer = _ask("python3", limit_s)
    if answer is None:
        yield Finding(NAME, "unknown", line("python3 does not report what it has"))
        return
    first = _python_finding(answer, version)
    yield first
    if first.state == "met" or os.path.realpath(SYSTEM_PYTHON) == os.path.realpath(str(answer["path"])):
        return
    if (other := _ask(SYSTEM_PYTHON, limit_s)) is not None:
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


def _ask(python: str, limit_s: float) -> dict[str, Any] | None:
    try:
        command = cann.sourced(cann.find(), [python, "-c", _ASK, *MODULES])
    except NeedError:
        return None
    answer = run(command, limit_s)
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


def spare_findings(settings: Settings, limit_s: float = SPARE_LIMIT_S) -> Iterator[Finding]:
    """The same rows where another runtime is set: what is missing is no fault, and is reported without a fix."""
    for finding in ais_bench_findings(settings, limit_s):
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
