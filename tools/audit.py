"""Looks for known vulnerabilities in what requirements-hashed.lock pins, and fails where it could not look at all.

    python tools/audit.py [FILE]    needs pip-audit (pip install pip-audit) and an advisory service

pip-audit by itself ends well where it could audit nothing; here that is a failure with its reason in one line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """0: everything was audited and nothing is known against it; 1: something is; 2: not everything was audited."""
    lock = Path(arguments[0]) if arguments else ROOT / "requirements-hashed.lock"
    options = ("--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    command = [sys.executable, "-m", "pip_audit", *options, "--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        rows: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = lines[-1] if lines else f"exit code {done.returncode}"
        sys.stderr.write(f"audit: nothing was audited: {said}\n")
        return 2
    return judge(rows, done.returncode)


def judge(rows: list[dict[str, Any]], code: int) -> int:
    """What the audit's rows mean; each vulnerability is a line."""
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    audited = [row for row in rows if "skip_reason" not in row]
    found = [(row["name"], row["version"], each) for row in audited for each in row.get("vulns", ())]
    for name, version, each in found:
        fixed = ", ".join(each.get("fix_versions") or ()) or "no release yet"
        sys.stdout.write(f"{name} {version}: {each['id']} (fixed in {fixed})\n")
    if not audited or skipped:
        sys.stderr.write(f"audit: {len(audited)} packages audited, not audited: {', '.join(skipped) or 'all'}\n")
        return 2
    sys.stderr.write(f"audit: {len(audited)} packages, {len(found)} known vulnerabilities\n")
    return 1 if found or code else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
