"""The whole guide on an Ascend server that is not there: npu-smi, atc and pyACL are strict stand-ins."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from backends import api
from backends.core.processes import leftovers
from backends.core.settings import InferSettings, ModelSettings, Settings
from backends.demo.demo_dataset import demo_settings, make_demo_videos
from backends.models import onnx_file
from backends.workspace.settings_file import write_settings
from tests.fakes.server.build import Server, make_server

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


class Place:
    """One workspace on one server; its data and earlier stages are made once and stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "w"
        make_demo_videos(self.workspace, 2, seed=7)
        api.build_demo(folder / "assets")
        (self.workspace / "checkpoint").symlink_to(folder / "assets" / "checkpoint")
        self.servers = 0
        self.words = ""
        """What the last run said."""
        self.expected: dict[str, dict[str, float]] = {}
        """Scores of the run on the CPU."""

    def run(
        self,
        server: Server | None,
        expect: int = 0,
        first: str = "",
        model: ModelSettings | None = None,
        **infer: Any,
    ) -> dict[str, Any]:
        """`r3d-tui run` (`--from first`) with these settings; what `status --json` says afterwards."""
        settings: Settings = replace(demo_settings(self.workspace), infer=InferSettings(**infer))
        settings = replace(settings, model=model or settings.model)
        (self.workspace / "r3d.toml").unlink(missing_ok=True)
        write_settings(self.workspace, settings)
        anew = ("--from", first) if first else ()
        self.words = "".join(self.command(server, "run", "--headless", *anew, expect=expect))
        return json.loads(self.command(server, "status", "--json")[0])

    def command(self, server: Server | None, *arguments: str, expect: int = 0) -> tuple[str, str]:
        """One command as a user gives it."""
        environment = {**os.environ, **(server.environment() if server else {}), "PYTHONPATH": str(ROOT)}
        environment["OMP_NUM_THREADS"] = "1"
        line = [sys.executable, "-m", "r3d_tui.cli", "--workspace", str(self.workspace), *arguments]
        ended = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert expect == ended.returncode, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout, ended.stderr

    def server(self, chips: int, **values: Any) -> Server:
        """A server of its own for each test."""
        self.servers += 1
        return make_server(self.folder / f"server{self.servers}", chips, **values)

    def scores(self) -> dict[str, dict[str, float]]:
        """Of the latest run: each video's score of each label."""
        newest = max(self.workspace.glob(".r3d/artifacts/score/*/val.json"), key=lambda path: path.stat().st_mtime)
        results = json.loads(newest.read_text())["results"]
        return {video: {row["label"]: row["score"] for row in rows} for video, rows in results.items()}

    def clean(self, server: Server) -> None:
        """Nothing was left in a chip, nothing done wrong, no process is left."""
        assert server.reports()
        for report in server.reports():
            assert ([], []) == (report["wrong"], report["left"])
        until = time.monotonic() + 10
        while any(leftovers(self.workspace)) and time.monotonic() < until:
            time.sleep(0.05)
        assert [] == list(leftovers(self.workspace))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A demo's data, and a run on the CPU to compare with."""
    made = Place(tmp_path_factory.mktemp("ascend"))
    made.run(None, runtime="onnxruntime", devices=(0,))
    made.expected = made.scores()
    return made


def same(place: Place) -> None:
    """Each video has the CPU run's scores, within 1e-6."""
    found, expected = place.scores(), place.expected
    assert expected.keys() == found.keys()
    for video, labels in expected.items():
        assert labels.keys() == found[video].keys()
        assert labels == pytest.approx(found[video], abs=1e-6, rel=0)


def stages(status: dict[str, Any]) -> dict[str, str]:
    """State by stage."""
    return {stage["name"]: stage["state"] for stage in status["stages"]}


def newest(workspace: Path, pattern: str) -> Path:
    """The artifact that was made last."""
    return max(workspace.glob(f".r3d/artifacts/{pattern}"), key=lambda path: path.stat().st_mtime)


def figures(status: dict[str, Any], name: str) -> dict[str, Any]:
    """What a stage measured."""
    return next(stage["figures"] for stage in status["stages"] if stage["name"] == name)


def devices(status: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """State and clips by device."""
    return {device["id"]: (device["state"], device["clips"]) for device in status["devices"] if "npu" in device["id"]}


@pytest.mark.parametrize(("chips", "name"), [(1, "310"), (4, "310P3"), (8, "310P3")])
def test_chips_compile_infer_and_score_as_the_cpu_does(place: Place, chips: int, name: str) -> None:
    """The chip's name comes from npu-smi, the .om from atc, the scores from pyACL; nothing is left behind."""
    server = place.server(chips, name=name)
    status = place.run(server, first="compile", target="ascend")
    assert "done" == status["state"]
    assert "done" == stages(status)["compile"]
    same(place)
    assert chips == len(devices(status))
    assert re.search(r"verify +running · follows infer", place.words)
    verified = figures(status, "verify")
    assert (True, "force_fp16") == (verified["om_passed"], verified["precision_mode"])
    assert verified["om_max_abs"] < 1e-4
    assert status["result"]["clips"] == sum(clips for _, clips in devices(status).values())
    place.clean(server)


def test_the_om_is_compiled_once(place: Place) -> None:
    """A second run asks the chips again and takes the .om that is there; what hangs on it is cached."""
    server = place.server(2)
    place.run(server, target="ascend")
    made = {path: path.stat().st_ino for path in place.workspace.glob(".r3d/artifacts/compile/*/model.om")}
    status = place.run(server, target="ascend")
    assert made == {path: path.stat().st_ino for path in made}
    assert ("done", "cached", "cached") == tuple(stages(status)[name] for name in ("compile", "infer", "evaluate"))


def test_a_given_om_is_verified_against_a_given_onnx(place: Place) -> None:
    """Nothing is made; a limit that the .om breaks fails the run, and the accuracy and the report stand beside it."""
    server = place.server(2)
    place.run(server, target="ascend")
    om = newest(place.workspace, "compile/*/model.om")
    onnx = newest(place.workspace, "simplify/*/model_sim.onnx")
    for name, path in (("given.om", om), ("given.onnx", onnx)):
        shutil.copyfile(path, place.folder / name)
    model = ModelSettings(onnx=place.folder / "given.onnx", om=place.folder / "given.om")
    status = place.run(server, model=model, target="ascend")
    assert ("skipped", "skipped", "done") == tuple(stages(status)[name] for name in ("export", "simplify", "verify"))
    assert figures(status, "verify")["om_passed"]
    assert figures(status, "verify")["precision_mode"] is None
    same(place)
    other = onnx_file.load(onnx)
    bias = next(tensor for tensor in other.graph.initializer if tensor.name == "fc.bias")
    bias.raw_data = (np.frombuffer(bias.raw_data, np.float32) + np.float32(0.5)).astype(np.float32).tobytes()
    (place.folder / "given.onnx").write_bytes(onnx_file.to_bytes(other))
    status = place.run(server, 1, model=model, target="ascend")
    assert ("failed", "cached") == (stages(status)["verify"], stages(status)["evaluate"])
    assert status["result"]["top1"] is not None
    assert status["result"]["verified"] is False
    assert "the model is not verified\n" in place.words
    assert 2 == place.words.count(
        "om: logits differ from the given .onnx by 0.5, 0.05 is allowed"
    )  # as it failed; at the end
    report = json.loads(place.command(server, "report", "--json")[0])
    assert [("om", False)] == [(one["name"], one["is_passed"]) for one in report["verification"]["models"]]
    page = Path(place.command(server, "report")[0].strip())
    for path in (page, page.with_suffix(".md")):
        assert "the model is not verified: om: logits differ" in path.read_text()


def test_the_om_is_verified_as_ais_bench_ran_it(place: Place, tmp_path: Path) -> None:
    """The rows that the tool's files became are compared like any other; the scores are those of the CPU."""
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}/tests/fakes" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    status = place.run(place.server(2), target="ascend", runtime="ais_bench", ais_bench=python)
    assert "ais_bench" == figures(status, "infer")["runtime"]
    assert figures(status, "verify")["om_passed"]
    same(place)


def test_verify_is_blocked_where_the_infer_that_it_follows_fails(place: Place) -> None:
    """It has begun beside infer; without rows there is nothing to compare, and the failure is infer's."""
    server = place.server(1, faults=[{"device": 0, "call": "mdl.execute", "at": 1, "code": 507010}])
    status = place.run(server, expect=1, first="infer", target="ascend")
    assert "failed" == stages(status)["infer"]
    reason = next(stage["reason"] for stage in status["stages"] if stage["name"] == "verify")
    assert ("waiting", "blocked by infer") == (stages(status)["verify"], reason)


def test_bytes_give_the_scores_of_floats(place: Place) -> None:
    """The graph normalises; verify holds it against the checkpoint as well."""
    server = place.server(2, trace=True)
    status = place.run(server, target="ascend", input="uint8")
    same(place)
    assert {6_021_120} == {row["bytes"] for row in server.trace() if row["what"] == "copy"}
    verify = max(place.workspace.glob(".r3d/artifacts/verify/*/verify.json"), key=lambda path: path.stat().st_mtime)
    assert "uint8" in json.loads(verify.read_text())["models"]
    assert "done" == status["state"]
    place.clean(server)


FAULTS = {
    "execute": {"call": "mdl.execute", "at": 2, "code": 507012},
    "lost": {"call": "mdl.execute", "at": 2, "code": 507010},
    "hang": {"call": "mdl.execute", "at": 2, "hang": True},
    "memory": {"call": "rt.malloc", "code": 207001},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_ends_well_without_the_chip_that_failed(place: Place, fault: str) -> None:
    """One of two chips fails: it is retired with its reason, the other does its work, the run says so."""
    server = place.server(2, faults=[{"device": 1, **FAULTS[fault]}], latency_s=0.5)
    status = place.run(server, first="infer", target="ascend", deadline_s=3.0)
    assert "done" == status["state"]
    same(place)
    assert "retired" == devices(status)["npu:1"][0]
    code = FAULTS[fault].get("code")
    assert re.search(r"npu:1 +dropped · ", place.words)
    assert " devices dropped 1 " in place.words
    assert re.search(rf"\({code}\)" if code else r"no answer for \d+ s", place.words)  # 3 s, more on a busy machine
    place.clean(server)


def test_precision_modes_are_compared_on_a_sample(place: Place) -> None:
    """Accuracy and rate of each mode, over as many videos as asked for; one that atc refuses is noted, not the end."""
    server = place.server(2)
    place.run(server, first="compile", target="ascend")
    modes = "force_fp16,allow_mix_precision,no_such_mode"
    options = ("--modes", modes, "--videos", "6", "--loop", "2")
    report = json.loads(place.command(server, "bench", "precision", "--json", *options)[0])
    found = {figure["name"]: figure for figure in report["figures"]}
    assert 6 == report["settings"]["videos"]
    assert ["force_fp16", "allow_mix_precision"] == [name[:-7] for name in found if name.endswith("_p50_ms")]
    assert found["force_fp16"]["value"] > 0
    assert 0.5 <= found["force_fp16_top1"]["value"] <= 1
    assert 0 <= found["force_fp16_parity_max_abs"]["value"] < 1e-4
    assert any("no_such_mode was not measured: atc failed" in note for note in report["notes"])
    assert "force_fp16 " in place.command(server, "bench", "precision", *options)[0]


def test_a_tuned_om_stands_beside_the_untuned_one(place: Place) -> None:
    """The run takes the tuned one, says so, and `bench infer` measures both."""
    server = place.server(1)
    place.run(server, first="compile", target="ascend")
    api.change_setting(place.workspace, "compile.tune", '"operator"')
    said = place.command(server, "run", "--headless")
    assert "tuning operator" in "".join(said)
    same(place)
    report = json.loads(place.command(server, "bench", "infer", "--loop", "2", "--json")[0])
    gain = next(figure for figure in report["figures"] if figure["name"] == "tuned")
    assert min(gain["value"], gain["reference"]) > 0
    assert gain["ratio"] == pytest.approx(gain["value"] / gain["reference"])


def test_a_given_om_runs_where_there_is_no_atc(place: Place, tmp_path: Path) -> None:
    """From `init` to the accuracy on a server with nnrt alone: nothing is exported or compiled, scores are equal."""
    server = place.server(2)
    place.run(server, first="compile", target="ascend")
    om = newest(place.workspace, "compile/*/model.om")
    (tmp_path / "given.om").write_bytes(om.read_bytes())
    for tool in ("bin/atc", "tools/aoe/bin/aoe", "tools/profiler/bin/msprof"):
        (server.folder / "cann/latest" / tool).unlink()
    other = copy(place)
    other.workspace = tmp_path / "w"
    data = ("--videos", str(place.workspace / "videos"), "--splits", str(place.workspace / "splits"))
    other.command(
        server, "init", str(other.workspace), *data, "--checkpoint", str(tmp_path / "given.om"), "--target", "ascend"
    )
    other.command(server, "run", "--headless")
    status = json.loads(other.command(server, "status", "--json")[0])
    assert {"export", "simplify", "verify"} <= {name for name, state in stages(status).items() if state == "skipped"}
    assert "done" == status["state"]
    assert 0.9 < status["result"]["top1"]
    same(other)


def test_chips_of_two_kinds_are_one_clear_line(place: Place) -> None:
    """An .om fits one: the user is asked; with the setting the chips of the other kind are retired."""
    server = place.server(2)
    chips = server.config["chips"]
    chips[1] |= {"name": "310", "soc": "Ascend310"}
    server.change(chips=chips)
    status = place.run(server, expect=2, target="ascend")
    assert "failed" == stages(status)["compile"]
    assert "the chips are of several kinds (Ascend310P3, Ascend310), an .om fits one" in place.words
    assert "soc_version under [compile]" in place.words
