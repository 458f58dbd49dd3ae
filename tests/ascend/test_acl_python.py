"""The Python that imports `acl`: found by importing it, and the process of a device runs under it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backends.ascend import cann
from backends.ascend.cann import find_acl_python
from backends.core.messages import NeedError
from backends.inference.runtime_registry import choose
from tests.device.test_old_pythons import OLD
from tests.inference.conftest import model, store
from tests.inference.rig import CLASSES, CLIPS, Rig

__all__ = ["model", "store"]

ACL = '''
"""pyACL of a CANN made for another Python: scores are the clip's first values."""
import sys

if {only}:
    raise ImportError("acl.so: undefined symbol: _PyThreadState_UncheckedGet")
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CANN whose set_env.sh brings an `acl`; gives the folder that it lies in."""
    home = tmp_path / "Ascend"
    (home / "python").mkdir(parents=True)
    (home / "version.cfg").write_text("version=5.1.RC2\n")
    (home / "set_env.sh").write_text(f'echo hello\nexport PYTHONPATH="{home}/python:$PYTHONPATH"\n')
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(home))
    return home / "python"


def test_our_own_python_is_taken_where_acl_imports_there(installed: Path) -> None:
    """Behind set_env.sh, whatever that prints."""
    (installed / "acl.py").write_text(ACL.format(only="False"))
    found = find_acl_python(None, cann.find())
    assert found.is_ours
    assert choose("ascend", "auto").info.name == "acl"


def test_where_acl_imports_nowhere_the_tool_is_used_and_it_is_said(installed: Path) -> None:
    """With the reason; who asks for acl by name is told what to set."""
    (installed / "acl.py").write_text(ACL.format(only="True"))
    chosen = choose("ascend", "auto")
    assert chosen.info.is_tool
    assert "undefined symbol" in str(chosen.note)
    with pytest.raises(NeedError, match=r"acl does not import: .*undefined symbol") as caught:
        choose("ascend", "acl")
    assert "acl_python" in str(caught.value.hint)


def test_an_import_that_hangs_is_given_up(installed: Path) -> None:
    """A driver in trouble holds it: it has a limit."""
    (installed / "acl.py").write_text("import time\ntime.sleep(60)\n")
    assert "no end in 1 s" in find_acl_python(Path(sys.executable), cann.find(), 1.0).reason


def _with_numpy(python: Path) -> bool:
    return not subprocess.run([str(python), "-c", "import numpy"], check=False, capture_output=True).returncode


@pytest.mark.skipif(not any(map(_with_numpy, OLD)), reason="no Python 3.7 to 3.9 with NumPy is here")
def test_a_run_under_the_python_that_acl_belongs_to(
    installed: Path, tmp_path: Path, store: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CANN's own Python, of another version than ours: found on PATH, and its devices give the same scores."""
    python = next(filter(_with_numpy, OLD))
    (installed / "acl.py").write_text(ACL.format(only="sys.version_info >= (3, 10)"))
    monkeypatch.setenv("PATH", f"{python.parent}:{Path('/usr/bin')}:/bin")
    chosen = choose("ascend", "auto")
    assert "acl" == chosen.info.name
    assert chosen.python is not None
    assert chosen.python.resolve() == python.resolve()
    from backends.inference import infer

    rig = Rig(tmp_path / "stage", store, model)
    params = {"runtime": "null", "batch": 10, "options": {"classes": CLASSES}}
    rig.infer(params)
    ours = rig.rows
    monkeypatch.setattr(infer, "choose", lambda *_: chosen.__class__(infer_null(), chosen.cann, chosen.python))
    other = Rig(tmp_path / "other", store, model)
    other.infer(params)
    assert CLIPS == len(ours)
    for number, row in ours.items():
        np.testing.assert_allclose(
            np.frombuffer(row, "<f4"), np.frombuffer(other.rows[number], "<f4"), rtol=0, atol=1e-5
        )


def infer_null():
    """The null runtime."""
    from backends.inference.runtime_registry import known_runtimes

    return known_runtimes()["null"]
