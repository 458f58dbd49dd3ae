"""The lock with hashes, and the audit that fails where it audited nothing."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str) -> ModuleType:
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_hashed_lock_pins_what_the_lock_pins() -> None:
    """Every package and version of requirements.lock is there with a hash, and nothing else is."""
    lock = tool("lock")
    plain = lock.pinned((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    hashed = (ROOT / "requirements-hashed.lock").read_text(encoding="utf-8")
    assert plain == lock.pinned(hashed)
    assert [] == lock.without_hash(hashed, plain)


def test_a_package_without_a_hash_is_named() -> None:
    """A line whose hash is missing is no pin."""
    text = "a==1 \\\n    --hash=sha256:00\nb==2\n"
    assert ["b==2"] == tool("lock").without_hash(text, {("a", "1"), ("b", "2")})


def test_local_wheels_are_added_by_their_own_hash(tmp_path: Path) -> None:
    """A CPU build beside the index's files, under the same version with a local part."""
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl").write_bytes(b"wheel")
    (tmp_path / "numpy-1.0-py3-none-any.whl").write_bytes(b"other")
    text = "numpy==2.4.6 ; python_full_version >= '3.11' \\\n    --hash=sha256:11\n"
    text += "torch==2.13.0 \\\n    --hash=sha256:22\n"
    added = tool("lock").with_local_wheels(text, [str(tmp_path)])
    digest = hashlib.sha256(b"wheel").hexdigest()
    assert text.replace("    --hash=sha256:22", f"    --hash=sha256:{digest} \\\n    --hash=sha256:22") == added


@pytest.mark.parametrize(
    ("rows", "code", "expected", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, 0, "audit: 1 packages, 0 known vulnerabilities"),
        ([], 0, 2, "audit: 0 packages audited, not audited: all"),
        ([{"name": "a", "skip_reason": "no index"}], 0, 2, "not audited: a"),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}],
            1,
            1,
            "audit: 1 packages, 1 known vulnerabilities",
        ),
    ],
)
def test_an_audit_of_nothing_fails(
    rows: list[dict[str, Any]], code: int, expected: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing audited, something skipped, something found: only all of it audited and clean is a success."""
    assert expected == tool("audit").judge(rows, code)
    assert words in capsys.readouterr().err


def test_an_advisory_service_out_of_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit that gives no document: its last word, and exit code 2."""
    audit = tool("audit")
    done = SimpleNamespace(stdout="", stderr="WARNING: x\nERROR: service unreachable\n", returncode=1)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert 2 == audit.main([sys.executable])
    assert "audit: nothing was audited: ERROR: service unreachable\n" == capsys.readouterr().err
