"""A line of words for people: an English template and its facts. It refuses to know any language but its template's.

The template is the key by which a face finds the same line in another language, so templates are string literals
in the code (a test collects them) and everything that varies is a fact.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from backends.core.frozen import dataclass

Scalar = str | int | float | bool | None


class _Formatter(string.Formatter):
    """Fills `{name}` and `{name:.3f}`; what is missing or of another type shows as it is instead of failing."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> Any:  # noqa: ARG002 - the base class's signature
        return kwargs.get(str(key), "{" + str(key) + "}")

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return self.get_value(field_name, args, kwargs), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        try:
            return format(value, format_spec)
        except (ValueError, TypeError):
            return str(value)


_FORMATTER = _Formatter()


@dataclass(frozen=True, slots=True)
class Line:
    """A template such as "{path} has {found} classes" and the facts that fill it."""

    template: str
    facts: Mapping[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        return fill(self.template, self.facts)


def line(template: str, /, **facts: Scalar) -> Line:
    """Shorthand: `line("{n} videos", n=4)`."""
    return Line(template, facts)


def fill(template: str, facts: Mapping[str, Scalar]) -> str:
    """Put the facts into a template; never raises on foreign or missing facts."""
    if not facts and "{" not in template:
        return template
    try:
        return _FORMATTER.vformat(template, (), facts)
    except (ValueError, IndexError):
        return template
