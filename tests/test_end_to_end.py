"""The whole guide on one machine, from videos and a checkpoint to an accuracy, as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from backends import api
from backends.core.processes import leftovers
from backends.engine import lock
from backends.engine.folders import Folders
from tests.faults.demo_runs import SEED, gone, make_workspace, scores, start
from tests.faults.demo_runs import r3d as run_command
from tests.models.small import SMALL, save_checkpoint

FRAMES = {
    "RATRACE_wave_f_nm_np1_fr_goo_37": 72,
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0": 74,
    "TrumanShow_wave_f_nm_np1_fr_med_26": 48,
    "Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6": 83,
}
"""Frames that ffmpeg extracts from each real clip."""
CLIPS = ".r3d/artifacts/preprocess/*/store/index.jsonl"


def r3d(*arguments: str, cwd: Path) -> str:
    """Run `r3d-tui` to its end, which must be a good one; its standard output."""
    return run_command(*arguments, cwd=cwd)[0].decode()


@pytest.mark.slow
def test_the_demo_ends_at_the_accuracy_that_its_model_has(tmp_path: Path) -> None:
    """Every stage runs for real; over 90 % of videos that it was not trained on are right; again, all is cached."""
    r3d("demo", "d", "--headless", cwd=tmp_path)
    status = json.loads(r3d("--workspace", "d", "status", "--json", cwd=tmp_path))
    states = {stage["name"]: stage["state"] for stage in status["stages"]}
    assert {"skipped"} == {states.pop("compile"), states.pop("frames")}
    assert {"done"} == set(states.values())
    assert list(api.stage_names()) == [stage["name"] for stage in status["stages"]]
    assert status["result"]["top1"] > 0.9
    assert 0 == status["result"]["videos_set_aside"]
    assert status["result"]["clips"] == sum(device["clips"] for device in status["devices"])
    events = [json.loads(text) for text in r3d("-w", "d", "run", "--headless", "--json", cwd=tmp_path).splitlines()]
    assert "RunStarted" == events[0]["kind"]
    assert ("RunFinished", "done") == (events[-1]["kind"], events[-1]["state"])
    cached = {event["stage"] for event in events if event["kind"] == "StageCached"}
    assert set(states) - {"check"} == cached
    assert 2 == len(json.loads(r3d("-w", "d", "runs", "--json", cwd=tmp_path))["runs"])
    assert gone(tmp_path / "d")


@pytest.mark.slow
def test_four_real_videos_go_to_an_accuracy(tmp_path: Path, shared: Path) -> None:
    """Real HMDB51 clips, a checkpoint as the training script saves it, one command; the same with frames on disk."""
    annotation = json.loads((shared / "data/golden/annotation.json").read_text())
    annotation["database"] = {name: annotation["database"][name] for name in FRAMES}
    (tmp_path / "four.json").write_text(json.dumps(annotation))
    maker = [sys.executable, str(shared / "tools/make_checkpoint.py"), "--depth", "10", str(tmp_path / "x.pth")]
    subprocess.run(maker, check=True)
    videos = str(shared / "data/hmdb51_clips")
    given = ("--videos", videos, "--annotation", "four.json", "--checkpoint", "x.pth", "--devices", "0,1")
    r3d("init", "w", *given, cwd=tmp_path)
    out = r3d("-w", "w", "run", "--headless", cwd=tmp_path)
    assert re.search(r"over 4 videos$", out, re.MULTILINE)
    assert not list(tmp_path.glob("w/.r3d/artifacts/frames/*"))
    settings = tmp_path / "w/r3d.toml"
    settings.write_text(settings.read_text().replace("keep_frames = false", "keep_frames = true"))
    again = r3d("-w", "w", "run", "--headless", cwd=tmp_path)
    assert re.search(r"^infer +up to date", again, re.MULTILINE)
    frames = {
        path.name: len(list(path.glob("image_*.jpg"))) for path in tmp_path.glob("w/.r3d/artifacts/frames/*/frames/*/*")
    }
    assert FRAMES == frames
    result = json.loads(r3d("-w", "w", "status", "--json", cwd=tmp_path))["result"]
    assert (4, 0, 19) == (result["videos"], result["videos_set_aside"], result["clips"])
    assert result["clips_per_s"] > 0
    assert set(FRAMES) == set(scores(tmp_path / "w"))


@pytest.mark.slow
def test_killed_anywhere_it_ends_with_the_same_scores(tmp_path: Path) -> None:
    """kill -9 of the engine, of workers and of the watching face, 50 times: the scores are those of a clean run."""
    chance = random.Random(SEED)
    clean, killed = (tmp_path / name for name in ("clean", "killed"))
    for workspace in (clean, killed):
        make_workspace(workspace, 2)
    r3d("-w", "clean", "run", "--headless", cwd=tmp_path)
    kills = {"engine": 0, "worker": 0, "face": 0}
    while sum(kills.values()) < 50:
        face = start("-w", "killed", "run", "--headless", "--force" if done(killed) else "--json", cwd=tmp_path)
        time.sleep(chance.uniform(0.4, 2.5))
        kill_one(chance, killed, face, kills)
        face.kill()
        face.communicate()
    client = api.open_client(killed)
    while client.snapshot().alive:
        time.sleep(0.2)
    client.close()
    r3d("-w", "killed", "run", "--headless", cwd=tmp_path)
    assert min(kills.values()) >= 5, kills
    assert scores(clean) == scores(killed)
    report = json.loads(r3d("-w", "killed", "status", "--json", cwd=tmp_path))["result"]
    expected = json.loads(r3d("-w", "clean", "status", "--json", cwd=tmp_path))["result"]
    assert expected["clips"] == report["clips"]
    assert expected["top1"] == report["top1"]
    assert gone(killed)


@pytest.mark.slow
def test_killed_while_clips_follow_frames_it_goes_on_with_both(tmp_path: Path) -> None:
    """kill -9 of the engine and its workers when clips are there and the last frame is not: results of a clean run."""
    clean, killed = (make_workspace(tmp_path / str(keep), 4, keep_frames=keep) for keep in (False, True))
    r3d("-w", str(clean), "run", "--headless", cwd=tmp_path)
    front_end = start("-w", str(killed), "run", "--headless", cwd=tmp_path)
    until = time.monotonic() + 60
    while not (indices := [path for path in killed.glob(CLIPS) if path.read_bytes().count(b"\n") > 3]):
        assert time.monotonic() < until
        time.sleep(0.01)
    holder = lock.owner(Folders(killed))
    assert holder is not None
    for pid in (holder.pid, *sorted(set(leftovers(killed)))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    front_end.kill()
    front_end.communicate()
    assert not list(killed.glob(".r3d/artifacts/frames/*/frames.json"))
    there = indices[0].read_bytes().splitlines()[1:3]
    assert 3 <= len(list(killed.glob(".r3d/artifacts/frames/*/frames/*/*"))) < 40
    r3d("-w", str(killed), "run", "--headless", cwd=tmp_path)
    assert there == indices[0].read_bytes().splitlines()[1:3]
    assert scores(clean) == scores(killed)
    stores = [next(workspace.glob(CLIPS)) for workspace in (clean, killed)]
    assert stores[0].read_bytes() == stores[1].read_bytes()
    assert r3d("-w", str(killed), "run", "--headless", cwd=tmp_path).count("up to date") > 5
    assert gone(killed)


def done(workspace: Path) -> bool:
    """Whether the latest run went to its end, so that the next must be forced to have anything to do."""
    client = api.open_client(workspace)
    state = client.snapshot().run.state
    client.close()
    return state == "done"


def kill_one(chance: random.Random, workspace: Path, face: subprocess.Popen[bytes], kills: dict[str, int]) -> None:
    """kill -9 one process of the run, whichever kind comes."""
    kind = chance.choice(sorted(kills))
    holder = lock.owner(Folders(workspace))
    engine = [holder.pid] if holder and holder.pid else []
    victims = {"engine": engine, "worker": sorted(set(leftovers(workspace))), "face": [face.pid]}[kind]
    if victims:
        os.kill(chance.choice(victims), signal.SIGKILL)
        kills[kind] += 1


@pytest.mark.slow
def test_clips_of_another_shape_go_to_an_accuracy(tmp_path: Path) -> None:
    """Eight frames of 64x64 instead of the guide's clips reach the accuracy, from a checkpoint and from its .onnx."""
    make_noise(tmp_path)
    first = run_small(tmp_path, "w")
    (model,) = (tmp_path / "w").glob(".r3d/artifacts/export/*/model.onnx")
    second = run_small(tmp_path, "v", ("# onnx = ", f'onnx = "{model}"  # '), ("checkpoint = ", "# checkpoint = "))
    assert scores(tmp_path / "w") == scores(tmp_path / "v")
    assert first["result"] is not None
    states = {stage["name"]: (stage["state"], stage["reason"]) for stage in second["stages"]}
    assert ("skipped", "model.onnx is given: a ready model") == states["export"]
    assert "done" == states["verify"][0]
    assert second["result"]["verified"] is True


def make_noise(folder: Path) -> None:
    """Four videos of twenty noisy frames in two classes, their annotation, and a small checkpoint."""
    rng = np.random.default_rng(0)
    entries = {}
    for number in range(4):
        label, name = ("jump", "wave")[number % 2], f"v{number}"
        (folder / "frames" / label / name).mkdir(parents=True)
        for frame in range(1, 21):
            picture = Image.fromarray(rng.integers(0, 256, (72, 90, 3), np.uint8))
            picture.save(folder / "frames" / label / name / f"image_{frame:05d}.jpg")
        entries[name] = {"subset": "validation", "annotations": {"label": label, "segment": [1, 21]}}
    (folder / "a.json").write_text(json.dumps({"labels": ["jump", "wave"], "database": entries}))
    save_checkpoint(folder / "x.pth", replace(SMALL, classes=2))


def run_small(folder: Path, name: str, *changes: tuple[str, str]) -> dict[str, Any]:
    """Run a workspace of clips of 8x64x64 with changes to its r3d.toml; its status."""
    r3d("init", name, "--frames", "frames", "--annotation", "a.json", "--checkpoint", "x.pth", cwd=folder)
    settings = folder / name / "r3d.toml"
    text = settings.read_text()
    shape = (("# clip_frames = 16", "clip_frames = 8"), ("# size = 112", "size = 64"))
    for old, new in (*shape, *changes):
        assert 1 == text.count(f"\n{old}")
        text = text.replace(f"\n{old}", f"\n{new}")
    settings.write_text(text)
    r3d("-w", name, "run", "--headless", cwd=folder)
    status: dict[str, Any] = json.loads(r3d("-w", name, "status", "--json", cwd=folder))
    result = status["result"]
    assert (4, 8, True) == (result["videos"], result["clips"], result["top1"] is not None)
    return status
