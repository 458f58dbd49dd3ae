"""`bench infer`: pure inference beside the published figures, nothing that was not measured."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends import api
from backends import bench_infer as product
from backends.bench_infer import bench_infer
from backends.core.command_reports import BenchFigure, BenchReport, InferBench
from backends.core.events import Outcome
from backends.core.messages import InputError, Line, NeedError, line
from backends.core.model_io import ClipShape
from backends.core.processes import our_environment
from backends.core.published import RESNET_50
from backends.core.run_state import Run, StageRun
from backends.core.settings import InferSettings, ModelSettings, PreprocessSettings, Settings
from backends.device.model_runtime import DeviceSpec
from backends.engine.folders import Folders
from backends.inference.pure_inference import Measured, Perf
from backends.monitor.cpu_groups import machine
from backends.workspace.settings_file import write_settings
from tests.inference.rig import make_model

QUIET = lambda _: None  # noqa: E731


def figure(report: BenchReport, name: str) -> BenchFigure:
    return next(figure for figure in report.figures if figure.name == name)


def test_without_a_model_no_device_is_measured() -> None:
    """And a note says so."""
    report = bench_infer(None, None, InferBench(), QUIET)
    assert () == report.figures
    assert any("no model is known" in str(note) for note in report.notes)


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
    figures = {figure.name: figure for figure in product._perf_figures(perf, RESNET_50)}
    assert (794.91, 830.72) == (figures["npu:0_compute"].reference, figures["npu:0_compute_2"].reference)
    assert pytest.approx(833.33 / 794.91) == figures["npu:0_compute"].ratio
    assert pytest.approx(1400 / (2 * 794.91)) == figures["together"].ratio
    assert figures["end_to_end"].value is None
    assert "end_to_end_p95_ms" not in figures
    for model, batch in (("", 10), ("resnet-18", 10), (RESNET_50, 1)):
        figures = {figure.name: figure for figure in product._perf_figures(replace(perf, batch=batch), model)}
        assert figures["npu:0_compute"].reference is None


def test_what_is_not_said_is_the_workspaces(tmp_path: Path) -> None:
    """Settings, and what its latest run made and still has; what is said counts before."""
    infer = InferSettings(devices=(0, 1), batch=4, runtime="onnxruntime")
    write_settings(tmp_path, Settings(infer=infer, preprocess=PreprocessSettings(clip_frames=8)))
    stage = StageRun("simplify", "done", outcome=Outcome(outputs={"onnx": "m.onnx"}), fingerprint="f" * 20)
    gone = StageRun("preprocess", "done", outcome=Outcome(outputs={"store": "store"}), fingerprint="e" * 20)
    model = Folders(tmp_path).artifact("simplify", "f" * 20) / "m.onnx"
    model.parent.mkdir(parents=True)
    model.touch()
    found = product.filled(tmp_path, Run(stages=(stage, gone)), InferBench(batch=7))
    assert InferBench(model, None, "cpu", "onnxruntime", (0, 1), 7, clip=ClipShape(7, 8)) == found
    given = InferBench(Path("x.onnx"), Path("s"), "cpu", "openvino", (3,), 2, 5)
    assert replace(given, clip=ClipShape(2, 8)) == product.filled(tmp_path, Run(stages=(stage,)), given)


def test_devices_of_the_cpu_are_groups_of_cores(tmp_path: Path) -> None:
    """As a run takes them."""
    found = product._devices(tmp_path, "cpu", "onnxruntime", (0, 1))
    assert ["cpu:0", "cpu:1"] == [device.id for device in found]
    assert all(isinstance(device, DeviceSpec) for device in found)
    assert json.dumps(machine())
    assert Line("") == BenchFigure("a", line("a"), None).against


@pytest.mark.slow
def test_batches_are_made_measured_and_compared(tmp_path: Path) -> None:
    """For real on the CPU: the model goes through export and simplify for each; the best one is noted."""
    workspace = tmp_path / "w"
    api.build_demo(workspace)
    report = api.bench_batches(workspace, (1, 4), InferBench(loop=1, runtime="onnxruntime", devices=(0,)), QUIET)
    rates = {batch: figure(report, f"batch_{batch}").value or 0.0 for batch in (1, 4)}
    assert min(rates.values()) > 0
    assert max(rates, key=lambda batch: rates[batch]) == report.settings["best_batch"]
    assert (figure(report, "batch_4_p95_ms").value or 0) >= (figure(report, "batch_4_p50_ms").value or 0) > 0


def test_batches_out_of_range_are_refused(tmp_path: Path) -> None:
    """Before anything is made."""
    write_settings(tmp_path, Settings())
    with pytest.raises(InputError, match="--batches: 1 to 1024 each"):
        api.bench_batches(tmp_path, (0,), InferBench(), QUIET)
    with pytest.raises(InputError, match="--batches: 1 to 1024 each"):
        api.bench_batches(tmp_path, (), InferBench(), QUIET)
    (tmp_path / "r3d.toml").unlink()
    write_settings(tmp_path, Settings(model=ModelSettings(om=Path("m.om"))))
    with pytest.raises(InputError, match="the batch size that it was compiled with"):
        api.bench_batches(tmp_path, (1,), InferBench(), QUIET)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), "no precision mode to compare: the target is cpu"),
        (
            Settings(infer=InferSettings("ascend", "cann")),
            "no precision mode to compare: the runtime cann needs no .om",
        ),
        (Settings(infer=InferSettings("ascend"), model=ModelSettings(om=Path("m.om"))), "model.om is given"),
        (Settings(infer=InferSettings("ascend")), "no annotation to take a sample of"),
    ],
)
def test_no_precision_modes_is_one_line(tmp_path: Path, settings: Settings, expected: str) -> None:
    """What the target, the runtime or the model leaves nothing to vary of is refused before anything is made."""
    write_settings(tmp_path, settings)
    with pytest.raises(InputError, match=expected):
        api.bench_precision(tmp_path, (), 10, InferBench(), QUIET)


@pytest.mark.slow
def test_ctrl_c_ends_the_whole_comparison(tmp_path: Path) -> None:
    """It is no reason to go on with the next batch size; what was made is gone, and the status is that of a stop."""
    api.build_demo(tmp_path / "w")
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    command = [
        sys.executable,
        "-m",
        "r3d_tui.cli",
        "--workspace",
        str(tmp_path / "w"),
        "bench",
        "infer",
        "--batches",
        "1,2",
    ]
    environment = {**our_environment(), "TMPDIR": str(scratch)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        while not any(scratch.glob("*/export-*")):
            time.sleep(0.02)
        time.sleep(0.5)  # the stage's process has begun
        running.send_signal(signal.SIGINT)
        said += running.stderr.read()
    assert "batch_1: making the model" in said
    assert "batch_2" not in said
    assert (130, []) == (running.returncode, list(scratch.iterdir()))
