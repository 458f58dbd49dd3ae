"""The page of figures says what the kept reports say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backends.core.messages import InputError
from bench import table


def report(name: str, *figures: dict[str, Any]) -> dict[str, Any]:
    """A bench's document as --json prints it."""
    machine = {"cpu": "a processor", "cores": 2, "load_before": 0.1}
    notes = ["a note"]
    return {"name": name, "machine": machine, "versions": {"python": "3"}, "settings": {"rounds": 3, "top1": None},
            "figures": list(figures), "notes": notes}  # fmt: skip


FIGURES = (
    {"what": "one", "value": 8.0, "unit": "s", "reference": 2.0, "against": "the guide", "ratio": 4.0, "wanted": 6.0},
    {"what": "two", "value": 0.954, "unit": "busy", "reference": 1.0, "against": "x", "ratio": 0.954, "wanted": 0.92},
    {"what": "three", "value": None, "unit": "MB"},
    {"what": "four", "value": 24.0, "unit": "MB", "most": 20.0},
)


def test_the_page_holds_the_table_of_the_kept_reports() -> None:
    """docs/performance.md is changed by `python -m bench table --write` alone."""
    page = table.PAGE.read_text(encoding="utf-8")
    assert page == table.with_table(page, table.table(table.read_reports([table.REPORTS])))


def test_a_row_says_what_is_asked_and_whether_it_is_met() -> None:
    """What nobody measured is not measured, a share is a share, and every row is as wide as the head."""
    rows = [row for row in table.section(report("x", *FIGURES)) if row.startswith("|")]
    assert {7} == {row.count("|") for row in rows}
    expected = [
        "| one | 8.00 s | 2.00 s (the guide) | 4.00 | ratio 6 | **no** |",
        "| two | 95.4 % |  |  | at least 92.0 % | yes |",
        "| three | not measured |  |  |  |  |",
        "| four | 24.0 MB |  |  | at most 20.0 MB | **no** |",
    ]
    assert expected == rows[2:]


def test_a_later_report_takes_the_place_of_an_earlier_one_of_its_name(tmp_path: Path) -> None:
    """Reports that were not measured again stay on the page."""
    page, kept = tmp_path / "page.md", tmp_path / "page.json"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    table.write_page([report("a", FIGURES[0]), report("b", FIGURES[2])], page, kept)
    table.write_page([report("a", FIGURES[3])], page, kept)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{table.END}\nafter\n")
    assert "| four |" in text
    assert "| three |" in text
    assert "| one |" not in text
    assert ["a", "b"] == [one["name"] for one in json.loads(kept.read_text(encoding="utf-8"))]


def test_what_is_no_report_and_a_page_without_marks_are_refused(tmp_path: Path) -> None:
    """One line that names the file."""
    (tmp_path / "x.json").write_text("words", encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.json: not a bench's report"):
        table.read_reports([tmp_path])
    with pytest.raises(InputError, match="no marks"):
        table.with_table("a page", "a table")
