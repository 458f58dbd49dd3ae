"""What can go wrong, as one tree. Each error has one line that says what and where, and a hint: the fix.

    R3dError                 exit code 1
    ├── InputError           2   a file, a folder, a setting or an option is not what it should be
    │   └── BusyError        2   another engine holds the workspace
    ├── NeedError            3   a module, a tool or a device that the work needs is missing
    ├── StageError           1   a stage ran and failed
    └── Stopped              130 the user asked to stop

The message and the hint are templates (see `messages`), so that each front end words them once, in its own language.
"""

from __future__ import annotations

from typing import ClassVar

from backends.core.messages import N_, Fact, Line


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
