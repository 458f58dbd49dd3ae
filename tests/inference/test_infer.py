"""The stage over real device processes: shared work, every fault, and scores that stay the same."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from backends.core.events import DeviceChanged, DeviceProgress, Event, ItemSetAside, StageProgress
from backends.core.messages import InputError, NeedError, StageError, Stopped
from backends.data.clip_store import ClipStore
from backends.data.score_rows import read_header, record_type
from backends.device.model_runtime import DeviceSpec
from backends.inference import result_log, runtime_registry
from backends.inference.runtimes.null import Null
from backends.monitor.cpu_groups import cpu_devices
from backends.worker.job import Job
from tests.inference.rig import CLASSES, CLIPS, VIDEOS, Rig, obey_after, signal_when

SLOW = 0.05
"""Seconds a batch, where a test needs time to interfere."""


@pytest.fixture(scope="session")
def expected(store: Path) -> dict[int, bytes]:
    """The null runtime's scores, computed here clip by clip."""
    null, clips = Null(), ClipStore.open(store)
    null.open(store, DeviceSpec("cpu:0", options={"classes": CLASSES}), 1)
    return {n: null.run(clips.batch([n])).tobytes() for n in range(CLIPS)}


def test_two_devices_share_the_work(rig: Rig, expected) -> None:
    """Each computes a good part, every clip once, and the figures add up."""
    outcome = rig.faulty(latency_s=0.15)
    assert expected == rig.rows
    clips = rig.device_clips()
    assert CLIPS == sum(clips.values())
    assert min(clips.values()) >= 2
    assert (2, CLIPS, 19, 38, len(VIDEOS)) == tuple(
        outcome.figures[name] for name in ("devices", "clips", "batches", "slots", "videos")
    )
    assert ["found", "loading", "ready", "working"] == rig.states("cpu:1")[:4]
    assert "done" == rig.states("cpu:1")[-1]
    assert (CLIPS, CLIPS, 8) == (
        rig.progress[-1].done,
        rig.progress[-1].total,
        rig.progress[-1].figures["videos_done"],
    )


def test_the_figures_of_a_device_are_measured(rig: Rig) -> None:
    """Latency, rates and utilisation of a device are those of its batches."""
    rig.faulty(devices=1, latency_s=SLOW)
    tick = [e for e in rig.events if isinstance(e, DeviceProgress)][-1]
    assert 1000 * SLOW <= (tick.latency_ms or 0) <= (tick.latency_p95_ms or 0) < 1000
    assert 0.5 < (tick.utilisation or 0) <= 1
    assert 0 < (tick.mean_clips_per_s or 0) <= 2 / SLOW


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_packed_and_the_guides_layout_give_the_same_scores(rig: Rig, tmp_path: Path, runtime: str) -> None:
    """Half the slots, the same scores to the last bits; the digest is of the scores, not of their order in the file."""
    pytest.importorskip(runtime)
    guide = Rig(tmp_path / "guide", rig.store, rig.model)
    outcomes = [
        rig.infer({"runtime": runtime}),
        guide.infer({"runtime": runtime, "layout": "guide"}),
    ]
    assert [40, 80] == [outcome.figures["slots"] for outcome in outcomes]
    packed, apart = (np.frombuffer(b"".join(r.rows[n] for n in range(CLIPS)), np.float32) for r in (rig, guide))
    np.testing.assert_allclose(packed, apart, rtol=1e-4, atol=1e-5)


def test_the_digest_is_of_the_scores_alone(rig: Rig, tmp_path: Path) -> None:
    """Another layout, other devices, another order in the file: the same scores have the same digest."""
    other = Rig(tmp_path / "other", rig.store, rig.model)
    params = {"runtime": "null", "options": {"classes": CLASSES}}
    first = rig.infer(params, {"devices": [0, 1]})
    second = other.infer({**params, "layout": "guide"})
    assert rig.rows == other.rows
    assert first.digest == second.digest
    third = Rig(tmp_path / "third", rig.store, rig.model).infer({"runtime": "null", "options": {"classes": 4}})
    assert first.digest != third.digest


@pytest.mark.parametrize("fault", ["error", "memory", "crash", "exit", "hang", "shape"])
def test_a_device_that_fails_is_retired_and_the_run_finishes(rig: Rig, expected, fault: str) -> None:
    """Whatever a device fails by, its batches are computed by the other and the reason is told."""
    rig.faulty(limits={"answer_s": 2.0}, fault=fault, once=str(rig.folder / "failed"), at=2, latency_s=SLOW)
    assert expected == rig.rows
    words = {
        "error": "RuntimeError: aicore exception 507015",
        "memory": "MemoryError: Failed to allocate",
        "crash": "its process was ended by SIGABRT",
        "exit": "its process ended with exit code 9",
        "hang": r"no answer for \d+ s",
        "shape": r"the runtime gave \(1, 5\)",
    }
    ((device, reason),) = rig.retired()
    assert re.search(words[fault], reason)
    assert [f"{device} is out of the run: {reason}"] == [note for note in rig.notes if "out of the run" in note]
    assert "retired" == rig.states(device)[-1]
    fixes = {"memory": "use fewer devices", "hang": "look at `npu-smi info`", "crash": "`dmesg`", "exit": "`dmesg`"}
    assert any(fixes.get(fault, "see the stage's log") in note for note in rig.notes)


@pytest.mark.parametrize("seed", range(4))
def test_a_device_killed_at_any_time_costs_nothing(rig: Rig, expected, seed: int) -> None:
    """Kill -9 at a random moment, while it starts, loads or works: the other finishes and no clip counts twice."""
    after = random.Random(seed).uniform(0, 0.9)
    rig.watch = signal_when("cpu:1", "loading", signal.SIGKILL, after)
    rig.faulty(latency_s=SLOW)
    assert expected == rig.rows
    assert rig.retired() in ([], [("cpu:1", "its process was ended by SIGKILL")])


@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
def test_a_device_stopped_while_it_starts_does_not_hold_the_run(rig: Rig, expected, after: float) -> None:
    """SIGSTOP within 200 ms of its start: the other device does the work, and the process is gone at the end."""
    rig.watch = signal_when("cpu:1", "loading", signal.SIGSTOP, after)
    rig.faulty(latency_s=0.01)
    assert expected == rig.rows


def test_a_stopped_device_holds_nobody(rig: Rig, expected) -> None:
    """SIGSTOP while it works: shown as stalled, its batches handed to the idle device, and the run ends without it."""
    rig.watch = signal_when("cpu:1", "working", signal.SIGSTOP, 0.1)
    rig.faulty(limits={"answer_s": 30.0}, latency_s=SLOW)
    assert expected == rig.rows
    assert ["stalled", "done"] == rig.states("cpu:1")[-2:]


def test_a_lone_device_that_is_stopped_gets_a_new_process(rig: Rig, expected) -> None:
    """With the cause, and what to look at."""
    rig.watch = signal_when("cpu:0", "working", signal.SIGSTOP, 0.1)
    rig.faulty(devices=1, limits={"answer_s": 3.0}, latency_s=SLOW)
    assert expected == rig.rows
    assert any(re.search(r"its process was stopped \(SIGSTOP\) for \d+ s", note) for note in rig.notes)
    assert any("kill -CONT" in note for note in rig.notes)


def test_a_lone_device_survives_two_kills(rig: Rig, expected) -> None:
    """With one device only, kill -9 twice still ends in a complete run."""
    rig.watch = signal_when("cpu:0", "working", signal.SIGKILL, 0.12, times=2)
    rig.faulty(devices=1, latency_s=SLOW)
    assert expected == rig.rows
    assert (3, []) == (rig.states("cpu:0").count("loading"), rig.retired())
    assert any("for lack of memory" in note for note in rig.notes)


def test_a_lone_device_stopped_at_its_start_is_started_again(rig: Rig, expected) -> None:
    """A process that never comes up is replaced after its limit."""
    rig.watch = signal_when("cpu:0", "loading", signal.SIGSTOP, 0.05)
    rig.faulty(devices=1, limits={"start_s": 5.0, "load_s": 30.0})
    assert expected == rig.rows


def test_the_fifth_kill_ends_the_run_and_keeps_what_was_done(rig: Rig, expected) -> None:
    """After two new processes and two restarts the stage fails; run again it computes only what is missing."""
    rig.watch = signal_when("cpu:0", "working", signal.SIGKILL, 0.15, times=5)
    with pytest.raises(StageError, match="no device is left: its process was ended by SIGKILL"):
        rig.faulty(devices=1, latency_s=0.12)
    done = len(rig.rows)
    assert 0 < done < CLIPS
    rig.watch = None
    outcome = rig.faulty(devices=1)
    assert expected == rig.rows
    assert (done, CLIPS - done) == (outcome.figures["clips_taken_up"], 2 * outcome.figures["batches"])


def test_a_batch_that_fails_every_device_is_named_and_the_rest_is_kept(rig: Rig, expected) -> None:
    """All other clips are computed first; then the stage fails with the batch's clips and both reasons."""
    with pytest.raises(StageError, match=r"with clips 12, 13: cpu:\d: RuntimeError.*; cpu:\d: RuntimeError"):
        rig.faulty(devices=3, fault="error", poison=12)
    assert {n: row for n, row in expected.items() if n not in (12, 13)} == rig.rows


def test_a_damaged_clip_sets_its_video_aside_by_name(rig: Rig, tmp_path: Path, expected) -> None:
    """One clip that cannot be read costs one clip; the video's name and the reason are told, and the run goes on."""
    rig.store = Path(shutil.copytree(rig.store, tmp_path / "damaged"))
    shard = rig.store / "clips-00000.u8"
    with open(shard, "r+b") as file:
        file.seek(5 * 602_112 + 300)
        file.write(b"damage")
    outcome = rig.faulty(batch=4)
    assert {n: row for n, row in expected.items() if n != 5} == rig.rows
    assert (["video 2"], 1) == ([item.item for item in outcome.set_aside], outcome.set_aside_count)
    assert "does not match its checksum" in str(outcome.set_aside[0].reason)
    assert (CLIPS - 1, 7) == (outcome.figures["clips"], outcome.figures["videos"])


def test_a_stop_finishes_what_is_in_flight_and_keeps_it(rig: Rig, expected) -> None:
    """Stopped is raised soon; the rows so far are whole and taken up by the next attempt."""

    def stop(event: Event, job: Job) -> None:
        if isinstance(event, DeviceChanged) and event.state == "working":
            obey_after(job, 0.15, command="stop")

    rig.watch = stop
    with pytest.raises(Stopped):
        rig.faulty(latency_s=SLOW)
    done = len(rig.rows)
    assert 0 < done < CLIPS
    rig.watch = None
    assert done == rig.faulty().figures["clips_taken_up"]
    assert expected == rig.rows


def test_a_device_is_taken_out_and_put_back(rig: Rig, expected) -> None:
    """Taken out it finishes its batch and its process ends; put back it works again; every clip counts once."""
    pids: list[int | None] = []

    def take(event: Event, job: Job) -> None:
        if not isinstance(event, DeviceChanged) or event.device != "cpu:1":
            return
        if event.state == "working" and not pids:
            pids.append(event.pid)
            obey_after(job, 0.1, command="device", id="cpu:1", take="out")
        if event.state == "out":
            obey_after(job, 0.1, command="device", id="cpu:1", take="in")

    rig.watch = take
    rig.faulty(latency_s=0.1)
    assert expected == rig.rows
    states = rig.states("cpu:1")
    assert "loading" in states[states.index("out") :]
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0] or 0, 0)


def test_progress_counts_only_what_is_durable(rig: Rig) -> None:
    """At no tick is more said to be done than rows stand in the file, and it never falls."""
    counts: list[tuple[int, int]] = []
    path = rig.folder / "out" / "rows.bin"

    def look(event: Event, job: Job) -> None:
        if isinstance(event, StageProgress):
            header = read_header(path) if path.exists() else None  # by size: another thread may be in a record
            size = path.stat().st_size - len(header.data) if header else 0
            counts.append((event.done, size // record_type(header.classes).itemsize if header else 0))

    rig.watch = look
    rig.faulty(devices=1, latency_s=SLOW)
    assert all(done <= rows for done, rows in counts)
    assert sorted(counts) == counts
    assert (CLIPS, CLIPS) == counts[-1]


def test_while_the_disk_takes_nothing_no_device_is_overdue(rig: Rig, expected, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that stands still for longer than a device may be silent holds answers up, and costs no device."""
    monkeypatch.setattr(result_log, "TOGETHER", 1)
    monkeypatch.setattr(result_log, "BEHIND", 1)
    plain, taken = result_log.RowsWriter.append, list[int]()

    def stuck(self: result_log.RowsWriter, numbers, logits) -> int:
        taken.append(len(numbers))
        if len(taken) == 4:
            time.sleep(1.5)
        return plain(self, numbers, logits)

    monkeypatch.setattr(result_log.RowsWriter, "append", stuck)
    rig.faulty(devices=1, latency_s=0.01, limits={"answer_s": 0.7})
    assert expected == rig.rows
    assert [] == rig.retired()
    assert CLIPS == sum(taken)


def test_a_finished_stage_run_again_starts_no_device(rig: Rig) -> None:
    """With every row there the outcome is the same and no process is spawned; what nobody measured is None."""
    first = rig.faulty()
    rig.events.clear()
    begun = time.monotonic()
    second = rig.faulty()
    assert first.digest == second.digest
    assert [] == [event for event in rig.events if isinstance(event, DeviceChanged)]
    assert (None, None) == (second.figures["clips_per_s"], second.figures["runtime_version"])
    assert time.monotonic() - begun < 1


def test_rows_of_another_runtime_are_not_mixed(rig: Rig, expected) -> None:
    """What an earlier attempt computed with another runtime is thrown away, and that is said."""
    rig.infer({"runtime": "onnxruntime"})
    assert expected != rig.rows
    rig.faulty()
    assert expected == rig.rows
    assert "rows of onnxruntime are thrown away: this run has another runtime" in rig.notes


def test_a_full_disk_is_one_clear_line(rig: Rig, expected, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a row cannot be written the stage fails with the file's name and the mend; what was whole is kept."""
    write = os.write
    space = [600]

    def limited(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name != "rows.bin":
            return write(descriptor, data)
        part = data[: space[0]]
        space[0] -= len(part)
        if not part:
            raise OSError(28, "No space left on device")
        return write(descriptor, part)

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(StageError, match=r"rows\.bin: No space left on device \(make room there"):
        rig.faulty(latency_s=0.01)
    monkeypatch.undo()
    outcome = rig.faulty()
    assert expected == rig.rows
    assert 0 < int(outcome.figures["clips_taken_up"] or 0) < CLIPS


def test_scores_that_are_no_numbers_are_computed_elsewhere(rig: Rig, expected) -> None:
    """A device that gives NaN fails the batch, which another computes; no such row is ever written."""
    rig.faulty(fault="nan", device="cpu:0", at=1, once=str(rig.folder / "failed"))
    assert expected == rig.rows


def test_a_clip_whose_scores_are_no_numbers_is_skipped_by_name(rig: Rig, expected) -> None:
    """On every device: its video is named with the likely cause, all other clips have their scores."""
    rig.faulty(fault="nan", poison=5)
    assert {number: row for number, row in expected.items() if number != 5} == rig.rows
    skipped = [event for event in rig.events if isinstance(event, ItemSetAside)]
    assert [("video 2", True)] == [(event.item, "fp16" in str(event.reason)) for event in skipped]


def test_a_wrong_model_ends_the_stage_at_once(rig: Rig, tmp_path: Path) -> None:
    """No other device would read it better: one line of bad input, from whichever device saw it first."""
    with pytest.raises(InputError, match="not a model"):
        rig.faulty(fault="input")
    rig.model = tmp_path / "missing.onnx"
    with pytest.raises(InputError, match=r"missing\.onnx: no such model \(run the export stage\)"):
        rig.infer({"runtime": "onnxruntime"})


def test_a_device_that_cannot_open_is_retired_and_tried_again(rig: Rig, expected) -> None:
    """One that is busy is out of the run with its reason; as the last one it is started anew."""
    rig.faulty(devices=1, fault="open", once=str(rig.folder / "failed"))
    assert expected == rig.rows
    assert [("cpu:0", "OSError: the device is busy")] == rig.retired()
    assert "no device was left: cpu:0 is started again" in rig.notes


def test_missing_inputs_are_one_clear_line(rig: Rig, tmp_path: Path) -> None:
    """A store or model that no stage gave, and a store that is not there, name the stage to run."""
    rig.store = tmp_path / "nowhere"
    with pytest.raises(InputError, match="nowhere"):
        rig.infer({"runtime": "null"})
    request = rig.request({})
    bare = type(request)(request.stage, request.entry, 1, *[rig.folder] * 3, params={"runtime": "null"})
    from backends.inference.infer import run

    with pytest.raises(InputError, match="nothing to infer: a model is missing"):
        run(Job(bare, rig.events.append))


def test_the_target_ascend_without_cann_is_a_need(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither acl nor a set_env.sh is there the stage says so, and what to install."""
    monkeypatch.setattr(runtime_registry, "_importable", lambda module: False)
    monkeypatch.setattr(runtime_registry.toolkit, "find", lambda: None)
    with pytest.raises(NeedError, match=r"acl is not here.*install CANN"):
        rig.infer({"target": "ascend"})


@pytest.mark.parametrize(
    ("wanted", "cores", "groups"),
    [
        (None, [2, 3, 5], {"cpu:0": (2, 3, 5)}),
        ([0, 1], [0, 1, 2], {"cpu:0": (0,), "cpu:1": (1, 2)}),
        ([3], [0, 1], {"cpu:3": (0, 1)}),
        ([0, 1, 1], [7], {"cpu:0": (7,), "cpu:1": (7,)}),
    ],
)
def test_cores_are_split_evenly(monkeypatch: pytest.MonkeyPatch, wanted, cores, groups) -> None:
    """Each id has its share of the cores; where there are too few, groups share one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(cores))
    assert groups == {device.id: device.cores for device in cpu_devices(wanted)}


def test_no_devices_at_all_is_refused() -> None:
    """An empty list is a mistake, not a wish."""
    with pytest.raises(InputError, match=r"infer\.devices is empty"):
        cpu_devices([])


def test_loops_count_for_the_speed_alone(rig: Rig, expected) -> None:
    """All clips three times: three times the batches and the progress, the rows of once, each clip once."""
    params = {"entry": "tests.inference.faulty:Faulty", "runtime": "faulty", "batch": 2}
    params["options"] = {"classes": CLASSES}
    outcome = rig.infer(params, {"devices": [0, 1], "sync_s": 0.02, "loops": 3})
    assert expected == rig.rows
    assert (CLIPS, 3 * 19) == (outcome.figures["clips"], outcome.figures["batches"])
    assert (3 * CLIPS, 3 * CLIPS) == (rig.progress[-1].done, rig.progress[-1].total)
    assert 3 * CLIPS == sum(rig.device_clips().values())
    assert outcome.digest == rig.infer(params, {"devices": [0, 1], "loops": 3}).digest
