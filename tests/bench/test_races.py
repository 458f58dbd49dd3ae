"""Our commands beside the reference's: what is compared is equal, and what is missing is said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backends.core.command_reports import BenchFigure, BenchReport
from bench.races import bench_evaluate, bench_frames, bench_step_preprocess

QUIET = lambda _: None  # noqa: E731


def figure(report: BenchReport, name: str) -> BenchFigure:
    return next(figure for figure in report.figures if figure.name == name)


def test_preprocess_gives_the_bytes_of_the_guides_way() -> None:
    """Every file of the one is compared with the other's before a ratio is believed."""
    pytest.importorskip("torch")
    report = bench_step_preprocess(None, 10, 1, QUIET)
    assert "10 of 10 files hold the same bytes" in [str(note) for note in report.notes]
    assert (6.0, "videos/s") == (figure(report, "ours").wanted, figure(report, "ours").unit)


def test_frames_stand_beside_so_many_times_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ffmpeg a line says that there is nothing to compare with."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    report = bench_frames(None, 10, 1, QUIET)
    one, two = figure(report, "jobs_1"), figure(report, "jobs_2")
    assert (None, 0.85) == (one.reference, two.wanted)
    assert one.value is not None
    assert 2 * one.value == two.reference
    assert ["no ffmpeg here: nothing to compare with"] == [str(note) for note in report.notes if "ffmpeg" in str(note)]


@pytest.mark.skipif(not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="no ffmpeg here")
def test_frames_stand_beside_ffmpeg() -> None:
    """By the clock and by processor time."""
    report = bench_frames(None, 10, 1, QUIET)
    for name in ("over_ffmpeg", "over_ffmpeg_cpu"):
        assert (figure(report, name).ratio or 0) > 0


def test_evaluate_without_the_reference_says_how_to_give_it(tmp_path: Path) -> None:
    """Ours is measured all the same."""
    report = bench_evaluate(tmp_path, 100, 1, QUIET)
    assert ["ours_cpu_s"] == [figure.name for figure in report.figures]
    assert any("--reference" in str(note) for note in report.notes)
