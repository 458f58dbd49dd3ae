"""Write the generated pages of docs/guide: `python -m tools.guide`. A test compares them with what stands there.

settings.md comes from the settings' types, failures.md and failures.zh.md from the catalogues of failures.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from backends.core.codec import parse_toml
from backends.core.settings import Settings
from backends.workspace.settings_file import described
from r3d_tui.lang.words import read

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "guide"
CATALOGUES = (("tool_errors.toml", "error"), ("acl_codes.toml", "code"))
HEADS = {
    "en": (
        "# Failures of atc, pyACL, ais_bench and msame",
        "What r3d-tui says of a failure, by the first match.",
        "sign",
    ),
    "zh": ("# atc、pyACL、ais_bench 与 msame 的报错", "r3d-tui 对报错的解释。", "特征"),
}
COLUMNS = {"en": ("cause", "fix"), "zh": ("原因", "修复")}


def settings_page() -> str:
    """Every setting of r3d.toml: its default and what it is."""
    lines = ["# Settings", "", "In `r3d.toml`, which `r3d-tui init` writes with these words. 中文见文件中的注释。", ""]
    for section, kind in typing.get_type_hints(Settings).items():
        lines += [f"## [{section}]", "", "| setting | default | what it is |", "|---|---|---|"]
        lines += [_setting_row(field) for field in msgspec.structs.fields(kind)]
        lines.append("")
    return "\n".join(lines)


def _setting_row(field: Any) -> str:
    default = "" if field.default in (None, msgspec.NODEFAULT) else f"`{_toml(field.default)}`"
    return f"| `{field.name}` | {default} | {_cell(described(field.type))} |"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str | Path) else str(value)


def failures_page(language: str) -> str:
    """Every entry of the catalogues with its sign, cause and fix."""
    title, text, sign = HEADS[language]
    texts = read(language) if language != "en" else {}
    lines = [title, "", text, ""]
    for name, table in CATALOGUES:
        lines += [f"| {sign} | {' | '.join(COLUMNS[language])} |", "|---|---|---|"]
        source = (ROOT / "backends" / "ascend" / name).read_text(encoding="utf-8")
        for entry in parse_toml(source)[table]:
            cells = (_sign(entry), *(texts.get(entry[key], entry[key]) for key in ("cause", "fix")))
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    return "\n".join(lines)


def _sign(entry: Any) -> str:
    """What a reader would look for: codes, else words, else the exit status."""
    words: list[Any] = entry.get("code") or [*entry.get("text", ()), *entry.get("any", ())] or entry.get("status", ())
    return ", ".join(f"`{word}`" for word in words) or f"`{entry.get('match', '')}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated page by its path."""
    yield GUIDE / "settings.md", settings_page()
    yield GUIDE / "failures.md", failures_page("en")
    yield GUIDE / "failures.zh.md", failures_page("zh")


def main() -> None:
    """Write them all."""
    for path, text in pages():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
