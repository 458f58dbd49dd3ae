"""An editor's search for a name finds one place."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for package in ("backends", "r3d_tui") for path in sorted((ROOT / package).rglob("*.py"))]
REGISTRIES = ("runtimes", "families", "datasets")
"""Folders of one file an entry: its name is what a person writes in r3d.toml."""


def test_no_module_has_the_name_of_another() -> None:
    """But for __init__, __main__ and the entries of registries."""
    found = defaultdict(list)
    for path in FILES:
        if path.parent.name not in REGISTRIES and not path.stem.startswith("__"):
            found[path.stem].append(str(path.relative_to(ROOT)))
    assert {} == {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_class_has_the_name_of_another() -> None:
    """Over both packages, private classes too."""
    found = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert {} == {name: paths for name, paths in found.items() if len(paths) > 1}
