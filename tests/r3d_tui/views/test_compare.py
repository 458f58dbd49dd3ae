"""Two runs beside each other: their figures, settings and changed videos."""

from __future__ import annotations

import pytest

from backends.core.catalog_pages import Query, VideoEntry
from backends.core.client import RunResult, RunSummary
from backends.core.messages import line
from backends.core.settings import InferSettings, Settings
from backends.data.catalog import SqlCatalog, memory_catalog
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import Row, table, text_of, width_of
from r3d_tui.views.browser_tables import CHANGES
from r3d_tui.views.compare import Comparison, above
from r3d_tui.views.look import Look
from tests.r3d_tui.reports import report_of


def test_settings_that_differ_stand_below_the_figures(words: Words) -> None:
    """By the names of r3d.toml, with both values; none where both are the same."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75), report_of(3), settings=Settings())
    changed = Settings(infer=InferSettings(batch=4, devices=(0, 1)))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5), report_of(3), settings=changed)
    text = "\n".join(map(text_of, above(Comparison(now, before, None), Look(words, 92))))
    assert ["4", "10"] == text.split("infer.batch")[1].split()[:2]
    assert "0, 1" in text.split("infer.devices")[1]
    assert "infer.target" not in text
    same = "\n".join(map(text_of, above(Comparison(now, now, None), Look(words, 92))))
    assert "The settings of both runs are the same." in same


BEFORE = (
    VideoEntry("a", "wave", predicted="wave", score=0.9),
    VideoEntry("b", "wave", predicted="clap", score=0.6),
    VideoEntry("c", "wave", predicted="clap", score=0.6),
    VideoEntry("d", "wave", predicted="wave", score=0.6),
    VideoEntry("e", "wave", reason=line("no frames")),
    VideoEntry("f", "wave", predicted="wave", score=0.6),
)


AFTER = (
    VideoEntry("a", "wave", predicted="clap", score=0.9),
    VideoEntry("b", "wave", predicted="wave", score=0.6),
    VideoEntry("c", "wave", predicted="run", score=0.6),
    VideoEntry("d", "wave", predicted="wave", score=0.7),
    VideoEntry("e", "wave", predicted="wave", score=0.7),
)


def _catalog() -> SqlCatalog:
    return memory_catalog(AFTER, (), lambda _: memory_catalog(BEFORE, ()))


def _compared(now: RunResult, before: RunResult, catalog: SqlCatalog) -> Comparison:
    return Comparison(now, before, catalog.compare(before.run.id))


def _page(found: Comparison, catalog: SqlCatalog, look: Look) -> list[Row]:
    """The whole page of a comparison, as its list would draw it."""
    body = ([field.cell(change, look) for field in CHANGES] for change in catalog.page(Query("changes"), 0, 99))
    return [*above(found, look), *table([field.column(look) for field in CHANGES], body, look.width)]


def test_two_runs_stand_side_by_side(words: Words) -> None:
    """Figures with their difference, then the changed videos."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75, 30.0), report_of(3))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5, 40.0))
    text = "\n".join(map(text_of, _page(_compared(now, before, catalog := _catalog()), catalog, Look(words, 92))))
    assert "0.5000" in text
    assert "+0.2500" in text
    assert "-10.0" in text
    assert "5 videos changed" in text
    assert "1 right before, wrong now · 1 wrong before, right now" in text


def test_a_rate_beside_preprocess_is_compared_with_none(words: Words) -> None:
    """It stands in brackets, which are explained, and there is no difference."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75, 30.0, clips_per_s_beside="preprocess"), report_of(3))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5, 40.0))
    text = "\n".join(map(text_of, above(Comparison(now, before, None), Look(words, 92))))
    assert "(30.0)" in text
    assert "-10.0" not in text
    assert "A rate in brackets was measured while preprocess used the same cores" in text


@pytest.mark.parametrize("width", [56, 72, 92, 186])
def test_the_comparison_stays_inside(width: int, words: Words) -> None:
    """Columns go before a row is cut."""
    found = RunResult(RunSummary("20261123-070123-0000", "done", 2.0, 20.0, 0.75, 30.0), report_of(3))
    rows = _page(_compared(found, found, catalog := _catalog()), catalog, Look(words, width))
    assert max(map(width_of, rows)) <= width
    assert [] == [text_of(row) for row in rows if text_of(row).endswith("…")]


def test_a_run_whose_files_are_gone_is_said_so(words: Words) -> None:
    """Its figures stay, and no video is said to have changed."""
    now = RunResult(RunSummary("new", "done", 2.0, 20.0, 0.75), report_of(3))
    before = RunResult(RunSummary("old", "done", 1.0, 10.0, 0.5))
    text = "\n".join(map(text_of, above(Comparison(now, before, None), Look(words, 92))))
    assert "no longer there" in text
    assert "changed" not in text
