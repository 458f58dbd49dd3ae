"""The templates of all lines that the source makes, read off its syntax. It refuses to run anything of it.

A template often reaches its call by a name (`raise InputError(text, hint=hint)`), so names are followed: to what is
assigned to them in their function or module, from a parameter to the arguments of its callers in that module, and from
a call to what that module's function returns.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

MAKERS = frozenset(
    {"line", "Line", "InputError", "BusyError", "NeedError", "StageError", "R3dError", "DeviceError", "FrameTrouble"}
)
"""The first argument of such a call is a template; so is its `hint`."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def templates(path: Path, root: Path) -> set[str]:
    """Templates of the lines and errors of one file, hints among them. `root` holds the packages it imports from."""
    return _Source(path, root).templates() - {""}


class _Source:
    """One module's tree, and who is whose parent in it."""

    def __init__(self, path: Path, root: Path) -> None:
        self.root = root
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.above = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.calls = [node for node in self.above if isinstance(node, ast.Call)]
        self.bound: dict[Function | None, list[tuple[ast.expr, ast.expr]]] = {}
        for node in self.above:
            if pairs := _bindings(node):
                self.bound.setdefault(self._scope(node), []).extend(pairs)

    def templates(self) -> set[str]:
        found: set[str] = set()
        for call in self.calls:
            if _name(call) in MAKERS:
                hints = [keyword.value for keyword in call.keywords if keyword.arg == "hint"]
                for part in (*call.args[:1], *hints):
                    found.update(self.texts(part, frozenset()))
        return found

    def texts(self, node: ast.expr, seen: frozenset[tuple[str, int]]) -> set[str]:
        """What an expression can be, as far as literals tell."""
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else set()
        if isinstance(node, ast.Name):
            return self._named(node, seen)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.texts(node.left, seen), self.texts(node.right, seen)
            return {first + second for first in left for second in right}
        if isinstance(node, ast.Dict):
            parts = node.values
        elif isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        elif isinstance(node, ast.Tuple | ast.List):
            parts = node.elts
        elif isinstance(node, ast.Subscript):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "items"):
            parts = [node.func.value, *node.args[1:]]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            parts = self._returned(node.func.id)
        else:
            parts = []
        return {text for part in parts for text in self.texts(part, seen)}

    def _named(self, name: ast.Name, seen: frozenset[tuple[str, int]]) -> set[str]:
        scope = self._scope(name)
        mark = (name.id, id(scope))
        if mark in seen:
            return set()
        found: set[str] = set()
        for inner in (scope, None) if scope else (None,):
            values = list(self._assigned(name.id, inner))
            values += self._given(name.id, inner) if inner else []
            for value in values:
                found |= self.texts(value, seen | {mark})
            if values:
                return found
        return self._imported(name.id)

    def _scope(self, node: ast.AST) -> Function | None:
        while node in self.above:
            node = self.above[node]
            if isinstance(node, Function):
                return node
        return None

    def _assigned(self, name: str, scope: Function | None) -> Iterator[ast.expr]:
        for target, value in self.bound.get(scope, ()):
            yield from _parts(name, target, value)

    def _given(self, name: str, scope: Function) -> list[ast.expr]:
        """The arguments with which the module's own calls fill a parameter."""
        places = [argument.arg for argument in (*scope.args.posonlyargs, *scope.args.args)]
        if name not in places and name not in [argument.arg for argument in scope.args.kwonlyargs]:
            return []
        found = []
        method = places[:1] == ["self"]
        for call in self.calls:
            if _name(call) == scope.name:
                at = places.index(name) - method if name in places else len(call.args)
                found += call.args[at : at + 1]
                found += [keyword.value for keyword in call.keywords if keyword.arg == name]
        return found

    def _returned(self, name: str) -> list[ast.expr]:
        """What the module's functions of that name give back, where they say that it is text."""
        functions = [node for node in self.above if isinstance(node, Function) and node.name == name]
        told = [node for node in functions if node.returns is not None and "str" in ast.unparse(node.returns)]
        inside = (one for function in told for one in ast.walk(function) if isinstance(one, ast.Return))
        return [one.value for one in inside if one.value is not None]

    def _imported(self, name: str) -> set[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
                path = self.root.joinpath(*node.module.split(".")).with_suffix(".py")
                if path.exists():
                    source = _Source(path, self.root)
                    return {t for value in source._assigned(name, None) for t in source.texts(value, frozenset())}
        return set()


def _bindings(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Targets and what they are given, of an assignment, a loop or a comprehension."""
    if isinstance(node, ast.Assign):
        return [(target, node.value) for target in node.targets]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
        return [(node.target, node.value)]
    return [(node.target, node.iter)] if isinstance(node, ast.For | ast.comprehension) else []


def _parts(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """What of `value` an assignment to `target` gives to `name`."""
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        names = [part.id if isinstance(part, ast.Name) else "" for part in target.elts]
        if name in names:
            yield from _elements(value, names.index(name), len(names))


def _elements(value: ast.expr, at: int, count: int) -> Iterator[ast.expr]:
    if isinstance(value, ast.IfExp):
        yield from _elements(value.body, at, count)
        yield from _elements(value.orelse, at, count)
    elif isinstance(value, ast.Tuple) and len(value.elts) == count and not isinstance(value.elts[at], ast.Tuple):
        yield value.elts[at]
    elif isinstance(value, ast.Tuple | ast.List):
        for each in value.elts:
            yield from _elements(each, at, count)
    elif isinstance(value, ast.Name | ast.Call | ast.Subscript | ast.Dict):
        yield value


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
