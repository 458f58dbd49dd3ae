"""Change one setting of an r3d.toml and leave every other line as it is. The console and `devices` use it.

What was read back before it is written: a file in which anything else would change is left alone.
"""

import re
from pathlib import Path
from typing import Any

from backends.core.command_reports import SettingChange
from backends.core.files import write_whole
from backends.core.messages import N_, InputError
from backends.workspace.settings_file import FILE, load

_HEAD = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?")


def plan_change(workspace: Path, setting: str, value: str | None) -> SettingChange:
    """What `change_setting` would write. `value` is as TOML has it: `[0, 1]`, `"B"`; None makes the line a comment.

    InputError where the file cannot be read, or where its form is not one that a line can be changed in.
    """
    return _changed(workspace, setting, value)[0]


def change_setting(workspace: Path, setting: str, value: str | None) -> SettingChange:
    """Write one setting, such as `infer.devices`."""
    change_made, text = _changed(workspace, setting, value)
    write_whole(workspace / FILE, text.encode())
    return change_made


def _changed(workspace: Path, setting: str, value: str | None) -> tuple[SettingChange, str]:
    path = workspace / FILE
    before = load(path)
    section, key = setting.split(".")
    lines = path.read_text(encoding="utf-8").splitlines()
    place, old = _find(lines, section, key)
    new = f"{key} = {value}" if value is not None else f"# {key} ="
    comment = _comment(old)
    new = f"{new:<43} {comment}" if comment else new
    if place is None:
        lines += ["", f"[{section}]", new]
        place = len(lines) - 1
    elif old:
        lines[place] = new
    else:
        lines.insert(place, new)
    text = "\n".join(lines) + "\n"
    _refuse_other_changes(path, text, before, section, key)
    shown = (line.partition(" #")[0].rstrip() if not line.startswith("#") else "" for line in (old, new))
    return SettingChange(setting, place + 1, *shown), text


def _find(lines: list[str], section: str, key: str) -> tuple[int | None, str]:
    """The place of the setting's line, set or as a comment, and the line; "" where it would be put in there."""
    here, inside, drafted = None, False, None
    for number, text in enumerate(lines):
        if head := _HEAD.fullmatch(text):
            inside = head[1].strip() == section
            here = number + 1 if inside else here
        elif inside and re.match(rf"\s*{key}\s*=", text):
            return number, text
        elif inside and re.match(rf"#\s*{key}\s*=", text):
            drafted = number
    return (drafted, lines[drafted]) if drafted is not None else (here, "")


def _comment(line: str) -> str:
    """The remark behind a value; none where a # may stand inside a text."""
    _, mark, remark = line.lstrip("# ").rpartition(" #")
    return f"#{remark}" if mark and '"' not in remark and "'" not in remark else ""


def _refuse_other_changes(path: Path, text: str, before: dict[str, Any], section: str, key: str) -> None:
    """Only that one setting may differ."""
    after = load(path, text)
    for table in (before, after):
        table.setdefault(section, {}).pop(key, None)
    if before != after:
        hint = N_("edit it by hand: {setting}")
        raise InputError(
            "{path}: its form is not one that r3d-tui changes", hint=hint, path=str(path), setting=f"{section}.{key}"
        )
