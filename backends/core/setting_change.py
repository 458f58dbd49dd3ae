"""A change of one line of r3d.toml, and how a failure proposes one. Front ends show it, `workspace` makes it."""

from __future__ import annotations

from msgspec import Struct

from backends.core.messages import Line


class SettingChange(Struct, frozen=True):
    """One line before and after. "" is a setting that does not stand in the file."""

    setting: str
    line_number: int
    """Counted from 1."""
    before: str
    after: str


def proposed(hint: Line) -> tuple[str, str] | None:
    """The setting and the value, in TOML's form, that a fix asks for: its facts `setting` and `value` say so."""
    setting, value = hint.facts.get("setting"), hint.facts.get("value")
    if setting is not None and value is not None:
        return str(setting), str(value)
    inner = (fact for fact in hint.facts.values() if isinstance(fact, Line))
    return next(filter(None, map(proposed, inner)), None)
