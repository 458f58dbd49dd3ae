"""A row about the Python that atc uses to compile operators: the first python3 on PATH, which need not be ours.

What is wanted is the table of run-time dependencies in CANN's installation guides of 5.1 to 9.1. It runs no atc.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from backends.ascend import cann as toolkit
from backends.ascend.check_versions import numbers
from backends.ascend.chip_query import SIMULATED
from backends.ascend.npu_smi_calls import run
from backends.core.errors import NeedError
from backends.core.messages import line
from backends.core.needs import Finding

NAME = "atc's Python"
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


def atc_python_finding(cann: str | None, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """One row, none where the chips are simulated; `cann` is CANN's version where it is told."""
    if os.environ.get(SIMULATED):
        return
    told = _ask(limit_s)
    if told is None:
        yield Finding(NAME, "unknown", line("python3 does not say what it has"))
        return
    facts = {"python": ".".join(map(str, told["python"])), "path": str(told["path"])}
    missing = [MODULES[name] for name in told["missing"] if name in MODULES]
    newer = numbers(told["numpy"]) >= (2,) and tuple(told["python"]) < (3, 13) and not _takes_numpy_2(cann)
    mend = line(
        "in {path}: pip install {packages}", path=facts["path"], packages=" ".join([*missing, *["'numpy<2'"] * newer])
    )
    if missing:
        packages = ", ".join(missing)
        yield Finding(NAME, "warning", line("{python} in {path}: {packages} missing", **facts, packages=packages), mend)
    elif newer:
        text = line("{python} in {path}: NumPy {numpy}, CANN before 9 wants one below 2", **facts, numpy=told["numpy"])
        yield Finding(NAME, "warning", text, mend)
    else:
        yield Finding(NAME, "met", line("{python} in {path}", **facts))


def _takes_numpy_2(cann: str | None) -> bool:
    return cann is not None and numbers(cann) >= NUMPY_2_CANN


def _ask(limit_s: float) -> dict[str, Any] | None:
    try:
        command = toolkit.sourced(toolkit.find(), ["python3", "-c", _ASK, *MODULES])
    except NeedError:
        return None
    answer = run(command, limit_s)
    try:
        told = json.loads(answer.text.strip().splitlines()[-1]) if answer.code == 0 else None
    except (ValueError, IndexError):
        return None
    return told if isinstance(told, dict) else None
