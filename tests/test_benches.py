"""What the benchmarks report: figures beside their references, nothing that was not measured, nothing left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends import benches
from backends.benches import InferBench, bench_infer, bench_preprocess
from backends.core.bench_report import BenchFigure, BenchReport, beside
from backends.core.codec import dumps, loads
from backends.core.errors import InputError, NeedError
from backends.core.events import Outcome
from backends.core.messages import Line, line
from backends.core.model_io import DeviceSpec
from backends.core.run_state import Run, StageRun
from backends.core.settings import InferSettings, Settings
from backends.cpu_bench import bench_cpu
from backends.engine.folders import Folders
from backends.inference import infer_bench as loop
from backends.inference.cpu_rate import CpuBench, CpuRate
from backends.inference.pure_inference import Measured, Perf
from backends.scale_bench import STAGES, bench_scale
from backends.workspace.settings_file import write_settings
from r3d_tui.bench import table_lines
from r3d_tui.lang.words import Words
from tests.inference.rig import make_model

QUIET = lambda _: None  # noqa: E731


def figure(report: BenchReport, name: str) -> BenchFigure:
    return next(figure for figure in report.figures if figure.name == name)


@pytest.fixture
def short_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The null runtime's loop over a few videos at no latency."""
    whole = loop.bench_layouts
    monkeypatch.setattr(loop, "bench_layouts", lambda chip, **options: whole(chip, videos=20, latency_s=0.01))


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


@pytest.mark.usefixtures("short_loop")
def test_infer_without_a_model_measures_the_loop_alone() -> None:
    """And says that no device was measured."""
    report = bench_infer(None, None, InferBench(), QUIET)
    assert {"packed_of_guide", "loop_packed", "loop_guide"} == {figure.name for figure in report.figures}
    assert any("no model is known" in str(note) for note in report.notes)
    assert 0 < figure(report, "packed_of_guide").value < 1


@pytest.mark.usefixtures("short_loop")
def test_infer_measures_a_model_on_the_cpu(tmp_path: Path) -> None:
    """No figure was published for a CPU, so none stands beside it."""
    pytest.importorskip("onnxruntime")
    asked = InferBench(make_model(tmp_path / "m.onnx"), None, "cpu", "onnxruntime", (0,), 10, 2)
    report = bench_infer(None, None, asked, QUIET)
    rate = figure(report, "cpu:0_compute")
    assert rate.value is not None
    assert (None, None) == (rate.reference, rate.ratio)
    assert (None, None) == (figure(report, "end_to_end").value, figure(report, "together").ratio)
    assert "onnxruntime" == report.settings["runtime"]


def test_a_missing_model_and_a_wrong_runtime_are_told(tmp_path: Path) -> None:
    """Before anything is measured."""
    with pytest.raises(InputError, match="no such model"):
        bench_infer(None, None, InferBench(tmp_path / "none.onnx"), QUIET)
    with pytest.raises(InputError, match="none of the target cpu"):
        bench_infer(None, None, InferBench(tmp_path / "none.onnx", runtime="acl"), QUIET)


def test_chips_without_npu_smi_are_a_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No chip is made up."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "m.om").touch()
    with pytest.raises(NeedError, match="no chips"):
        bench_infer(None, None, InferBench(tmp_path / "m.om", target="ascend", runtime="ais_bench"), QUIET)


def test_the_published_figures_stand_beside_a_chips_own() -> None:
    """The guide's and the later one's for 310P3; all together beside as many times the guide's."""
    row = Measured("npu:0", "310P3", 20, 12.0, 12.5, 12.0, 833.33, 700.0)
    other = replace(row, device="npu:1")
    perf = Perf("acl", "acl 1", 10, 20, (row, other), (row, other))
    figures = {figure.name: figure for figure in benches._perf_figures(perf)}
    assert (794.91, 830.72) == (figures["npu:0_compute"].reference, figures["npu:0_compute_2"].reference)
    assert pytest.approx(833.33 / 794.91) == figures["npu:0_compute"].ratio
    assert pytest.approx(1400 / (2 * 794.91)) == figures["together"].ratio
    assert figures["end_to_end"].value is None
    assert "end_to_end_p95_ms" not in figures


def test_what_is_not_said_is_the_workspaces(tmp_path: Path) -> None:
    """Settings, and what its latest run made and still has; what is said counts before."""
    write_settings(tmp_path, Settings(infer=InferSettings(devices=(0, 1), batch=4, runtime="onnxruntime")))
    stage = StageRun("simplify", "done", outcome=Outcome(outputs={"onnx": "m.onnx"}), fingerprint="f" * 20)
    gone = StageRun("preprocess", "done", outcome=Outcome(outputs={"store": "store"}), fingerprint="e" * 20)
    model = Folders(tmp_path).artifact("simplify", "f" * 20) / "m.onnx"
    model.parent.mkdir(parents=True)
    model.touch()
    found = benches._filled(tmp_path, Run(stages=(stage, gone)), InferBench(batch=7))
    assert InferBench(model, None, "cpu", "onnxruntime", (0, 1), 7) == found
    given = InferBench(Path("x.onnx"), Path("s"), "cpu", "openvino", (3,), 2, 5)
    assert given == benches._filled(tmp_path, Run(stages=(stage,)), given)


def test_feed_tells_busy_shares_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of simulated chips, and says that they are; the store that was made is gone afterwards."""
    from backends.inference import feed_bench

    places: list[Path] = []

    def measured(store: Path, **asked: Any) -> feed_bench.Feed:
        places.append(store)
        names = ("batches", "batches_unchecked", "bytes", "bytes_unchecked", "loop")
        cost = [feed_bench.Cost(n, line("x"), 0.001) for n in names]
        run = feed_bench.ChipRun("310P", 8, "uint8", True, 0.95, 6000.0)
        bench: Any = None
        return feed_bench.Feed(2, tuple(cost), (run,), bench, bench, 0.5)

    monkeypatch.setattr(feed_bench, "bench_feed", measured)
    monkeypatch.setattr(benches, "MADE_CLIPS", 10)
    report = benches.bench_feed(None, None, None, (8,), 1, QUIET)
    busy = figure(report, "busy_310P_8_uint8")
    assert (0.95, 0.9, "made here") == (busy.value, busy.wanted, report.settings["store"])
    assert pytest.approx(8 * 794.91 * 0.002) == figure(report, "cores_8_310P_float32").value
    jpeg = figure(report, "jpeg_us").value
    assert jpeg is not None
    assert pytest.approx(1 / (794.91 * (jpeg / 1e6 + 0.002))) == figure(report, "fed_310P_jpeg").value
    assert any("simulated" in str(note) for note in report.notes)
    assert not places[0].exists()


def test_a_busy_machine_is_noted() -> None:
    """Its times are too long; an idle one, and one that does not tell, are not noted."""
    assert "load 2.5 on 2 cores" in str(benches.shared({"load_before": 2.5, "cores": 2})[0])
    assert () == benches.shared({"load_before": 0.5, "cores": 2}) == benches.shared({"load_before": None, "cores": 2})


def test_devices_of_the_cpu_are_groups_of_cores(tmp_path: Path) -> None:
    """As a run takes them."""
    found = benches._devices(tmp_path, "cpu", "onnxruntime", (0, 1))
    assert ["cpu:0", "cpu:1"] == [device.id for device in found]
    assert all(isinstance(device, DeviceSpec) for device in found)
    assert json.dumps(benches.machine())
    assert Line("") == BenchFigure("a", line("a"), None).against


def test_scale_runs_every_stage_that_knows_videos() -> None:
    """Each in a process of its own, over few videos and over more; every one of them is counted to the end."""
    report = bench_scale(10, 20, QUIET)
    assert [f"{name}_mb" for name in STAGES] == [
        f.name for f in report.figures if f.name in {f"{n}_mb" for n in STAGES}
    ]
    assert all(figure(report, f"{name}_mb").reference for name in STAGES)
    assert all((figure(report, f"{name}_cpu").value or 0) > 0 for name in STAGES)
    assert figure(report, "infer_device_mb").value
    assert all(0.1 < (figure(report, f"{name}_aside").ratio or 0) < 2 for name in STAGES)
    assert all(figure(report, f"{name}_names").unit == "MB" for name in STAGES)


def test_cpu_asks_the_best_runtime_for_its_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three quarters of the matrix product are wanted of the better runtime, and of that one alone."""
    rates = (CpuRate("sgemm", "n", 100.0, 50.0), CpuRate("a", "1", 80.0, 40.0, 4.0), CpuRate("b", "1", 60.0, 30.0, 3.0))
    monkeypatch.setattr("backends.inference.cpu_rate.bench_cpu", lambda *_, **__: CpuBench(2, 10, 10.07, rates))
    report = bench_cpu(tmp_path / "model.onnx", 50, 0, 1, QUIET)
    assert (0.8, 0.75) == (figure(report, "a").ratio, figure(report, "a").wanted)
    assert (0.6, None) == (figure(report, "b").ratio, figure(report, "b").wanted)
    assert 4.0 == figure(report, "a_clips").value


def test_a_report_is_a_table_of_markdown() -> None:
    """One row a figure, every row as wide as the head; what nobody measured is a dash."""
    figures = (
        beside("a", line("one"), 8.0, 2.0, line("the guide's way")),
        beside("b", line("two"), 0.5, 1.0, line("never waits"), unit="busy"),
        BenchFigure("c", line("three"), None, "MB"),
        BenchFigure("d", line("four"), 24.0, "MB", most=20.0),
    )
    rows = list(table_lines(BenchReport("x", {"cores": 2}, {"python": "3"}, {}, figures), Words("en")))
    assert "### x" == rows[0]
    table = [row for row in rows if row.startswith("|")]
    assert {5} == {row.count("|") for row in table}
    assert "| one | 8.00 clips/s | 2.00 (the guide's way) | 4.00 |" == table[2]
    assert ["| two | 50.0 % |  |  |", "| three | – MB |  |  |"] == table[3:5]
    assert "| four | 24.0 MB |  | at most 20.0 wanted: NOT met |" == table[5]
