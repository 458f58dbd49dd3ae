"""Messages for people: an English template and its facts; the errors carry them. Who reports to a person makes them.

The template is the msgid by which a front end finds the sentence in another language (`r3d_tui/locale/*/*.po`), so
templates are literals in the code, marked by `line`, an error class or `N_` (a test collects them), and everything
that varies is a fact. A fact may be a message itself, or several: each is worded in the reader's language.
"""

import string
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Union

from msgspec import Struct, field

Scalar = str | int | float | bool | None
Fact = Union[Scalar, "Line", tuple[Union[Scalar, "Line"], ...]]


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


class Line(Struct, frozen=True):
    """A template such as "{path} has {found} classes" and the facts that fill it. Empty where there is no message."""

    template: str
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __str__(self) -> str:
        return fill(self.template, {name: joined(value) for name, value in self.facts.items()})


def line(template: str, /, **facts: Fact) -> Line:
    """Shorthand: `line("{n} videos", n=4)`."""
    return Line(template, facts)


def N_(template: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a template that reaches its message by way of a variable."""
    return template


def os_reason(error: Exception) -> str | Line:
    """Why the operating system refused: its own sentence, which the languages have, or what the error holds."""
    text = getattr(error, "strerror", None)
    return Line(text) if text else str(error)


def joined(fact: Fact, worded: Callable[[Scalar | Line], object] = lambda one: one) -> object:
    """A fact, each message in it `worded`; several as one text: messages with "; " between them, names with ", "."""
    if not isinstance(fact, tuple):
        return worded(fact)
    return ("; " if any(isinstance(one, Line) for one in fact) else ", ").join(str(worded(one)) for one in fact)


def fill(template: str, facts: Mapping[str, object]) -> str:
    """Put the facts into a template; never raises on foreign or missing facts."""
    if not facts and "{" not in template:
        return template
    try:
        return _FORMATTER.vformat(template, (), facts)
    except (ValueError, IndexError):
        return template


def size(value: float) -> str:
    """Bytes in decimal units, as disks and the guide count: 176 B, 1.4 MB, 36.9 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            return f"{value:.0f} B" if unit == "B" else f"{value:.{1 if abs(value) < 99.95 else 0}f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


class R3dError(Exception):
    """The root: `R3dError("{path} is empty", hint="give a folder with videos", path=path)`."""

    exit_code: ClassVar[int] = 1

    def __init__(self, template: str, /, *, hint: str | Line = "", **facts: Fact) -> None:
        self.line = Line(template, facts)
        self.hint = hint if isinstance(hint, Line) else Line(hint, facts)
        super().__init__(str(self.line))

    def __str__(self) -> str:
        return f"{self.line} ({self.hint})" if self.hint.template else str(self.line)


class InputError(R3dError):
    """A file, a folder, a setting or an option is not what it should be."""

    exit_code: ClassVar[int] = 2


class BusyError(InputError):
    """Another engine holds the workspace."""


class NeedError(R3dError):
    """A module, a tool or a device that the work needs is missing."""

    exit_code: ClassVar[int] = 3


class StageError(R3dError):
    """A stage ran and failed."""


class Stopped(R3dError):  # noqa: N818 - a request, not a mistake
    """The user asked to stop."""

    exit_code: ClassVar[int] = 130

    def __init__(self) -> None:
        super().__init__(N_("stopped on request"))
