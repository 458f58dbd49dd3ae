"""The messages of the source, read off its syntax: literals marked by `line`, an error of ours, `hint=` or `N_`."""

from __future__ import annotations

import ast
import functools
import os
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
MARKS = frozenset({"line", "Line", "N_", "R3dError", "DeviceError", "FrameError"})
"""And every class that is derived from one of these."""
WORDED = re.compile(r"[^\W\d_]|: ")
"""A letter, or the colon, which is another character in Chinese."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def sources() -> dict[Path, ast.Module]:
    """Every module of the product."""
    paths = [path for package in ("backends", "r3d_tui") for path in sorted((ROOT / package).rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@functools.cache
def _marks() -> frozenset[str]:
    classes = [node for tree in sources().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: set[str] = set()
    more = set(MARKS)
    while more - found:
        found |= more
        more = {one.name for one in classes if {_name(base) for base in one.bases} & found}
    return frozenset(found)


SYSTEM = frozenset(
    map(os.strerror, (1, 2, 5, 11, 13, 16, 17, 20, 21, 23, 24, 26, 27, 28, 30, 36, 39, 40, 104, 111, 116, 122))
)
"""What the operating system says of a file or a connection."""
FFMPEG = frozenset({"End of file", "Invalid data found when processing input"})


@functools.cache
def sentences() -> frozenset[str]:
    """Every msgid but the console's keys: messages, causes and fixes of the catalogues of errors."""
    found = {text for tree in sources().values() for text in messages(tree) if WORDED.search(_bare(text))}
    for path in (ROOT / "backends").rglob("*.toml"):
        tables = [one for table in tomllib.loads(path.read_text(encoding="utf-8")).values() for one in table]
        found.update(
            table[key] for table in tables if isinstance(table, dict) for key in ("cause", "fix") if key in table
        )
    return frozenset(found | SYSTEM | FFMPEG)


def _bare(template: str) -> str:
    """Without its placeholders."""
    return "".join(text for text, *_ in string.Formatter().parse(template))


def messages(tree: ast.AST) -> set[str]:
    """The marked literals of a module."""
    return {text for part in _parts(tree) for text in _literals(part)} - {""}


def unmarked(tree: ast.AST) -> set[str]:
    """Literals that reach a message through a variable of the same function or module, without `N_`."""
    found: set[str] = set()
    for scope in (node for node in ast.walk(tree) if isinstance(node, Function | ast.Module)):
        names = {part.id for part in _parts(scope) if isinstance(part, ast.Name)}
        for node in ast.walk(scope) if isinstance(scope, Function) else scope.body:
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                pairs = (pair for target in targets for pair in _pairs(target, node.value))
                found.update(text for name, value in pairs if name in names for text in _literals(value))
    return {text for text in found if any(map(str.isalpha, _bare(text)))}


def _parts(tree: ast.AST) -> Iterator[ast.expr]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call.func) in _marks():
            yield from call.args[:1]
            yield from (keyword.value for keyword in call.keywords if keyword.arg == "hint")


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for part in (node.body, node.orelse) if isinstance(node, ast.IfExp) else ():
        yield from _literals(part)
    for part in node.values if isinstance(node, ast.BoolOp) else ():
        yield from _literals(part)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, part)
    elif isinstance(target, ast.Name):
        yield target.id, value


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
