"""Writes requirements-hashed.lock: what requirements.lock pins, with the SHA-256 of every file that the index offers.

    python tools/lock.py            needs `uv` on PATH (pip install uv) and the package index
    python tools/lock.py --wheels   the record of wheels alone

Beside it, `tests/tools/wheels.txt` records the names of the Linux wheels, by which a test resolves the lock for each
machine and Python without the index.

`requirements.lock` itself is read by setuptools as the package's dependencies, where hashes have no place; with the
hashed file nothing is installed but what was looked at when it was written:

    pip install --require-hashes --requirement requirements-hashed.lock

Wheels in the folders of PIP_FIND_LINKS (a CPU build of torch, say) are added by their own hashes.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "requirements.lock", ROOT / "requirements-hashed.lock"
WHEELS = ROOT / "tests" / "tools" / "wheels.txt"
PROJECT = '[project]\nname = "x"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = {pins}\n'
HEAD = "# Written by tools/lock.py from requirements.lock; do not edit. pip install --require-hashes -r this file.\n"


def main() -> int:
    """Ask the index and write the files; 1 where a pinned package has no hash."""
    try:
        names = wheel_names()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"lock: uv could not ask the index: {error}\n")
        return 1
    WHEELS.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    if "--wheels" in sys.argv[1:]:
        return 0
    options = ("--universal", "--python-version", "3.10", "--generate-hashes", "--no-deps", "--no-header")
    command = ["uv", "pip", "compile", str(SOURCE), *options, "--no-annotate", "--quiet"]
    try:
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"lock: uv could not ask the index: {error}\n")
        return 1
    text = with_local_wheels(text, os.environ.get("PIP_FIND_LINKS", "").split())
    if bare := without_hash(text, pinned(SOURCE.read_text(encoding="utf-8"))):
        sys.stderr.write(f"lock: no hash for {', '.join(bare)}\n")
        return 1
    TARGET.write_text(HEAD + text, encoding="utf-8")
    sys.stderr.write(f"lock: {text.count('--hash')} hashes of {len(pinned(text))} packages\n")
    return 0


def wheel_names() -> list[str]:
    """The Linux wheels of all that is pinned, for CPython 3.10 to 3.13."""
    pins = [row.strip() for row in SOURCE.read_text(encoding="utf-8").splitlines() if row and row[0] != "#"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(PROJECT.format(pins=pins), encoding="utf-8")
        subprocess.run(["uv", "lock", "--quiet", "--project", folder], check=True)
        text = Path(folder, "uv.lock").read_text(encoding="utf-8")
    wanted = re.compile(
        r"-(?:cp31[0-3]-cp31[0-3]|[^-]*py3-none|cp3\d+-abi3)-(?:any|manylinux[^-]*_(?:x86_64|aarch64))\.whl"
    )
    return sorted({name for name in re.findall(r"/([^/\"]+\.whl)\"", text) if wanted.search(name)})


def pinned(text: str) -> set[tuple[str, str]]:
    """(name, version) of each line that pins a package, names as the index spells them."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in found}


def without_hash(text: str, wanted: set[tuple[str, str]]) -> list[str]:
    """What of `wanted` the hashed text does not have, or has without a hash."""
    joined = text.replace("\\\n", " ")
    hashed = pinned("\n".join(line for line in joined.splitlines() if "--hash=sha256:" in line))
    return sorted(f"{name}=={version}" for name, version in wanted - hashed)


def with_local_wheels(text: str, folders: list[str]) -> str:
    """The text with the hashes of wheels in these folders that fit a pinned package, local versions (+cpu) too."""
    for wheel in sorted(path for folder in folders for path in Path(folder).glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        pin = rf"(?m)^({re.escape(name)}=={re.escape(version.partition('+')[0])}(?: ;[^\\\n]*)? \\\n)"
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        text = re.sub(pin, rf"\g<1>    --hash=sha256:{digest} \\\n", text)
    return text


if __name__ == "__main__":
    sys.exit(main())
