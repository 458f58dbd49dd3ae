"""The import contracts of pyproject.toml catch what they are for."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")
PLANT = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import {above}\n"


def layers() -> dict[str, list[list[str]]]:
    """Of each container the packages and modules, highest first; those of one layer together."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {
        one["containers"][0]: [re.split(r" *[|:] *", layer) for layer in one["layers"]]
        for one in contracts
        if one["type"] == "layers"
    }


def upward() -> list[tuple[str, str]]:
    """For every package and module below the highest: itself, and one that stands above it."""
    return [
        (f"{container}.{name}", f"{container}.{above[0]}")
        for container, order in layers().items()
        for above, names in itertools.pairwise(order)
        for name in names
    ]


def test_an_upward_import_from_any_package_is_caught(tmp_path: Path) -> None:
    """A type-checking import of the layer above, planted in each package and module, is reported with its place."""
    if not LINT.exists():
        pytest.skip("import-linter is not installed here")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for container in (*layers(), "bench"):
        shutil.copytree(ROOT / container, tmp_path / container, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    places = []
    for name, above in upward():
        place = tmp_path / name.replace(".", "/")
        target, module = (
            (place / "planted.py", f"{name}.planted") if place.is_dir() else (place.with_suffix(".py"), name)
        )
        target.write_text(PLANT.format(above=above))
        places.append(f"{module} -> {above}")
    done = subprocess.run(
        [LINT, "--no-cache"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [] == [place for place in places if place not in done.stdout]
    assert 1 == done.returncode
