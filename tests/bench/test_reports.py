"""What the benchmarks report: figures beside their references, nothing that was not measured, nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import dumps, loads
from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.messages import line
from backends.monitor.cpu_groups import load_note
from bench import null_loop, reports
from bench.cpu import bench_cpu
from bench.cpu_rate import CpuBench, CpuRate
from bench.reports import bench_preprocess
from bench.scale import STAGES, bench_scale

QUIET = lambda _: None  # noqa: E731


def figure(report: BenchReport, name: str) -> BenchFigure:
    return next(figure for figure in report.figures if figure.name == name)


def test_a_ratio_needs_both(tmp_path: Path) -> None:
    """Without value or reference there is none; a report survives JSON."""
    assert 2.0 == beside("a", line("a"), 4.0, 2.0, line("b")).ratio
    assert beside("a", line("a"), None, 2.0, line("b")).ratio is None
    assert beside("a", line("a"), 4.0, None, line("b")).ratio is None
    report = BenchReport("x", {"cores": 2}, {"python": "3"}, {}, (beside("a", line("a"), 1.0, 2.0, line("b")),))
    assert report == loads(BenchReport, dumps(report))


def test_preprocess_stands_beside_the_guides_way_and_decoding() -> None:
    """Ratios as asked for: six times the one, six tenths of the other."""
    report = bench_preprocess(frames=None, annotation=None, rounds=1, workers=1, clips=5, say=QUIET)
    ours = figure(report, "ours")
    assert (6.0, 1) == (ours.wanted, len(ours.runs))
    if ours.reference is not None:
        assert figure(report, "reference").value == ours.reference
        assert pytest.approx(ours.value / ours.reference) == ours.ratio
    part = figure(report, "ours_of_decoding")
    assert (0.6, figure(report, "decode").value) == (part.wanted, part.reference)
    assert {"python", "numpy"} <= set(report.versions)
    assert report.machine["cores"]


def test_the_loop_stands_beside_a_chip_that_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """And packed batches beside the guide's layout."""
    whole = null_loop.bench_layouts
    monkeypatch.setattr(null_loop, "bench_layouts", lambda chip, **options: whole(chip, videos=20, latency_s=0.01))
    report = reports.bench_loop(QUIET)
    assert {"packed_of_guide", "loop_packed", "loop_guide"} == {figure.name for figure in report.figures}
    assert 0 < figure(report, "packed_of_guide").value < 1


def test_feed_tells_busy_shares_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of simulated chips, and says that they are; the store that was made is gone afterwards."""
    from bench import feed as feed_bench

    places: list[Path] = []

    def measured(store: Path, **asked: Any) -> feed_bench.Feed:
        places.append(store)
        names = ("batches", "batches_unchecked", "bytes", "bytes_unchecked", "loop")
        cost = [feed_bench.Cost(n, line("x"), 0.001) for n in names]
        run = feed_bench.ChipRun("310P", 8, "uint8", True, "null", 0.95, 6000.0)
        return feed_bench.Feed(tuple(cost), (run,), 15e9)

    monkeypatch.setattr(feed_bench, "bench_feed", measured)
    monkeypatch.setattr(reports, "MADE_CLIPS", 10)
    report = reports.bench_feed(None, (8,), 1, QUIET)
    busy = figure(report, "busy_310P_8_uint8")
    assert (0.95, 0.92, "made here") == (busy.value, busy.wanted, report.settings["store"])
    assert pytest.approx(8 * 794.91 * 0.002) == figure(report, "cores_8_310P_float32").value
    floats = figure(report, "written_floats")
    assert (15.0, "GB/s") == (floats.value, floats.unit)
    assert pytest.approx(8 * 794.91 * 602_112 * 4 / 1e9) == floats.reference
    jpeg = figure(report, "jpeg_us").value
    assert jpeg is not None
    assert pytest.approx(8 * 794.91 * (jpeg / 1e6 + 0.002)) == figure(report, "cores_8_310P_jpeg").value
    assert any("simulated" in str(note) for note in report.notes)
    assert not places[0].exists()


def test_a_busy_machine_is_noted() -> None:
    """Its times are too long; an idle one, and one that does not tell, are not noted."""
    assert "load 2.5 on 2 cores" in str(load_note({"load_before": 2.5, "cores": 2})[0])
    assert () == load_note({"load_before": 0.5, "cores": 2}) == load_note({"load_before": None, "cores": 2})


def test_scale_runs_every_stage_that_knows_videos() -> None:
    """Each in a process of its own, over few videos and over more; every one of them is counted to the end."""
    report = bench_scale(10, 20, QUIET)
    assert [f"{name}_mb" for name in STAGES] == [
        f.name for f in report.figures if f.name in {f"{n}_mb" for n in STAGES}
    ]
    assert all(figure(report, f"{name}_mb").reference for name in STAGES)
    assert all((figure(report, f"{name}_cpu").value or 0) > 0 for name in STAGES)
    assert figure(report, "infer_device_mb").value


def test_cpu_asks_the_best_runtime_for_its_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three quarters of the matrix product are wanted of the better runtime, and of that one alone."""
    rates = (CpuRate("sgemm", "n", 100.0, 50.0), CpuRate("a", "1", 80.0, 40.0, 4.0), CpuRate("b", "1", 60.0, 30.0, 3.0))
    monkeypatch.setattr("bench.cpu_rate.bench_cpu", lambda *_, **__: CpuBench(2, 10, 10.07, rates))
    report = bench_cpu(tmp_path / "model.onnx", 50, 0, 1, QUIET)
    assert (0.8, 0.75) == (figure(report, "a").ratio, figure(report, "a").wanted)
    assert (0.6, None) == (figure(report, "b").ratio, figure(report, "b").wanted)
    assert 4.0 == figure(report, "a_clips").value
