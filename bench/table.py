"""The tables of docs/performance.md, made from the JSON of the benches: `python -m bench table`.

The page holds between two marks what the reports in docs/performance.json say, and a test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from backends.core.files import write_whole
from backends.core.messages import N_, InputError
from r3d_tui.text.figures import number

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, REPORTS = DOCS / "performance.md", DOCS / "performance.json"
BEGIN, END = "<!-- made by `python -m bench table --write`: begin -->", "<!-- end -->"
HEAD = ("| figure | value | beside | ratio | asked | met |", "|---|---|---|---|---|---|")

Report = Mapping[str, Any]


def read_reports(paths: Iterable[Path]) -> list[Report]:
    """The reports in these files and in the folders' *.json; a later one of a name takes the earlier's place."""
    found: dict[str, Report] = {}
    for path in paths:
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            try:
                content = json.loads(file.read_bytes())
            except (OSError, ValueError):
                hint = N_("give what a bench printed with --json")
                raise InputError("{path}: not a bench's report", hint=hint, path=str(file)) from None
            found |= {report["name"]: report for report in (content if isinstance(content, list) else [content])}
    return list(found.values())


def table(reports: Iterable[Report]) -> str:
    """All reports as Markdown."""
    return "\n".join(text for report in reports for text in section(report))


def section(report: Report) -> Iterator[str]:
    """One report: what was measured, with what, on what."""
    settings = ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in report["settings"].items() if value is not None
    )
    yield from (f"### {report['name']}", "", *([f"{settings}.", ""] if settings else []), *HEAD)
    for figure in report["figures"]:
        yield "| " + " | ".join(_cells(figure)) + " |"
    yield from ("", *(f"{note[0].upper()}{note[1:]}.  " for note in report["notes"]))
    yield from ("", *([f"Measured on {_machine(report)}.", ""]))


def _cells(figure: Mapping[str, Any]) -> Iterator[str]:
    value, unit, ratio, wanted = (figure.get(key) for key in ("value", "unit", "ratio", "wanted"))
    shown, is_share = partial(_value, unit=str(unit)), unit == "busy"
    reference, most = figure.get("reference"), figure.get("most")
    yield figure["what"]
    yield "not measured" if value is None else shown(value)
    yield "" if reference is None or is_share else f"{shown(reference)} ({figure['against']})"
    yield "" if ratio is None or is_share else number(ratio, 2)
    if most is not None:
        yield f"at most {shown(most)}"
        yield "" if value is None else "yes" if value <= most else "**no**"
    elif wanted is not None:
        yield f"at least {shown(wanted)}" if is_share else f"ratio {wanted:g}"
        yield "" if ratio is None else "yes" if ratio >= wanted else "**no**"
    else:
        yield from ("", "")


def _value(value: float, unit: str) -> str:
    if unit == "busy":
        return f"{100 * value:.1f} %"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def _machine(report: Report) -> str:
    machine, versions = report["machine"], report["versions"]
    load = machine.get("load_before")
    parts = [f"{machine['cpu']}, {machine['cores']} cores", f"load {load} before" if load is not None else ""]
    return ", ".join([*filter(None, parts), *(f"{name} {version}" for name, version in versions.items())])


def write_page(reports: list[Report], page: Path = PAGE, kept: Path = REPORTS) -> None:
    """Put the reports' tables into the page, and the reports beside it; those of other names stay."""
    known = {report["name"]: report for report in (read_reports([kept]) if kept.exists() else [])}
    known |= {report["name"]: report for report in reports}
    write_whole(kept, (json.dumps(list(known.values()), indent=1, ensure_ascii=False) + "\n").encode())
    write_whole(page, with_table(page.read_text(encoding="utf-8"), table(known.values())).encode())


def with_table(text: str, made: str) -> str:
    """The page's text with another table between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError("the page has no marks for the table", hint=f"{BEGIN} and {END}, each on a line")
    return f"{before}{BEGIN}\n\n{made.strip()}\n\n{END}{after}"
