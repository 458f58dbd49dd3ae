"""Simulated chips: a workspace of its own, labelled, and the machine as it is everywhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backends import api
from backends.ascend.chip_query import ask_chips
from backends.core.messages import InputError
from backends.core.processes import SIMULATED
from backends.simulator import simulation
from backends.workspace.settings_file import read_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def real_again(tmp_path: Path):
    """However a test ends, this process sees the real machine afterwards."""
    before = {**os.environ, "PYTEST_CURRENT_TEST": ""}
    yield
    simulation.enter(tmp_path / "nowhere")
    assert before == {**os.environ, "PYTEST_CURRENT_TEST": ""}


def test_chips_are_seen_inside_their_workspace_alone(tmp_path: Path) -> None:
    """Each is called simulated beside its name; another workspace, opened afterwards, has none."""
    simulation.build(tmp_path / "demo", 8)
    simulation.enter(tmp_path / "demo")
    table = ask_chips(tmp_path, soc=True)
    assert [f"npu:{n}" for n in range(8)] == [chip.device for chip in table.chips]
    assert {"310P3 simulated"} == {chip.name for chip in table.chips}
    assert {"Ascend310P3"} == {chip.soc_version for chip in table.chips}
    assert str(tmp_path / "demo" / "simulated") == os.environ[SIMULATED]
    simulation.enter(tmp_path)
    assert SIMULATED not in os.environ
    assert not any(chip.name and "simulated" in chip.name for chip in ask_chips(tmp_path).chips)


def test_a_folder_that_has_moved_is_repaired(tmp_path: Path) -> None:
    """Its scripts are written again where they would not work any more."""
    simulation.build(tmp_path / "a", 2)
    (tmp_path / "a").rename(tmp_path / "b")
    modules = tmp_path / "b" / "simulated" / "cann" / "latest" / "python" / "site-packages"
    shutil.rmtree(modules)
    modules.symlink_to("/nowhere")  # as version 0.1 laid it out
    (tmp_path / "b" / "simulated" / "bin" / "npu-smi").write_text("#!/bin/sh\nexit 1\n")
    simulation.enter(tmp_path / "b")
    assert 2 == len(ask_chips(tmp_path).chips)


def test_the_demo_has_as_many_chips_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are those of an Ascend server; a demo of the CPU is not turned into one."""
    monkeypatch.setattr("backends.demo.demo_dataset.build_demo", lambda folder, **_: folder.mkdir(exist_ok=True))
    api.build_demo(tmp_path / "chips", chips=3)
    assert "ascend" == read_settings(tmp_path / "chips").infer.target
    simulation.enter(tmp_path / "chips")
    assert 3 == len(ask_chips(tmp_path).chips)
    api.build_demo(tmp_path / "cpu")
    assert "cpu" == read_settings(tmp_path / "cpu").infer.target
    with pytest.raises(InputError, match="a demo without simulated chips is there"):
        api.build_demo(tmp_path / "cpu", chips=3)
    api.build_demo(tmp_path / "chips", chips=3)
    with pytest.raises(InputError, match=r"a demo of 3 simulated chips is there \(.*--chips 3\)"):
        api.build_demo(tmp_path / "chips", chips=8)


def test_a_server_whose_making_was_cut_off_is_completed(tmp_path: Path) -> None:
    """Without it the workspace would see the real machine, and nothing would be labelled."""
    (tmp_path / "simulated" / "bin").mkdir(parents=True)
    simulation.build(tmp_path, 2)
    simulation.enter(tmp_path)
    assert 2 == len(ask_chips(tmp_path).chips)


@pytest.mark.slow
def test_the_demo_needs_no_test_tree(tmp_path: Path) -> None:
    """A copy of the product alone, elsewhere, runs a demo of simulated chips from end to end."""
    product = tmp_path / "product"
    for name in ("backends", "r3d_tui", "assets"):
        shutil.copytree(ROOT / name, product / name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(product)}
    run = [sys.executable, "-m", "r3d_tui", "demo", str(tmp_path / "demo"), "--headless", "--chips", "2"]
    ended = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == ended.returncode, ended.stderr[-2000:]
    status = [sys.executable, "-m", "r3d_tui", "-w", str(tmp_path / "demo"), "status", "--json"]
    document = json.loads(subprocess.run(status, env=environment, cwd=tmp_path, capture_output=True, check=True).stdout)
    assert ["npu:0", "npu:1"] == [device["id"] for device in document["devices"]]
    assert {"310P3 simulated"} == {device["name"] for device in document["devices"]}
    assert document["result"]["top1"] > 0.9


ACL = """
import json, os, sys, time
sys.path.insert(0, {here!r})
import simulated_acl as acl
import numpy as np
acl.CLIPS_PER_S = 1e6
acl._state.chip = {{"soc": "S", "fails_after_s": 0.2}}
class Port: name, shape, type = "input", [1, 4], "tensor(float)"
class Out: name, shape, type = "output", [1, 2], "tensor(float)"
class Session:
    runs = 0
    def get_inputs(self): return [Port]
    def get_outputs(self): return [Out]
    def run(self, _, feeds):
        Session.runs += 1
        return [feeds["input"][:, :2] * 2]
model = acl._new(Session())
def execute(values):
    batch, scores = np.asarray([values], np.float32), np.zeros((1, 2), np.float32)
    ends = []
    for array in (batch, scores):
        dataset = acl.mdl.create_dataset()
        acl.mdl.add_dataset_buffer(dataset, acl.create_data_buffer(array.ctypes.data, array.nbytes))
        ends.append(dataset)
    return acl.mdl.execute(model, *ends), scores[0].tolist()
found = [execute([1, 2, 3, 4]), execute([5, 6, 7, 8]), execute([1, 2, 3, 4])]
time.sleep(0.3)
print(json.dumps([found, Session.runs, execute([5, 6, 7, 8])[0], acl.get_recent_err_msg()]))
"""


def test_scores_are_computed_once_and_a_chip_is_lost_while_they_are_replayed(tmp_path: Path) -> None:
    """The same scores for the same batch; the failure has the code of a lost chip and is called simulated."""
    environment = {**os.environ, SIMULATED: str(tmp_path)}
    code = ACL.format(here=str(ROOT / "backends" / "simulator"))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    found, runs, failed, message = json.loads(done.stdout or done.stderr)
    assert [[0, [2.0, 4.0]], [0, [10.0, 12.0]], [0, [2.0, 4.0]]] == found
    assert (2, 507010) == (runs, failed)
    assert "simulated: " in message
