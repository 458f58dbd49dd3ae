"""Inference by ais_bench, from the clip store to rows, over a stand-in of every generation and with every fault."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.core.codec import dumps
from backends.core.events import DeviceChanged, DeviceProgress
from backends.core.messages import InputError, NeedError, StageError, Stopped
from backends.core.processes import child_environment, leftovers
from backends.inference.infer import run
from backends.worker.job import Job
from tests.inference.ais_rig import BATCH, CLIPS, VIDEOS, AisRig, make_om, make_store
from tests.inference.rig import CLASSES, Rig

FILES = -(-CLIPS // BATCH)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller store than the other tests': every clip is four times its size on this way."""
    return make_store(tmp_path_factory.mktemp("few") / "store")


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, store: Path, model: Path) -> dict[int, bytes]:
    """The rows of the null runtime on the CPU, whose logits the stand-in computes."""
    rig = Rig(tmp_path_factory.mktemp("null") / "stage", store, model)
    rig.infer({"runtime": "null", "batch": BATCH, "options": {"classes": CLASSES}}, {"devices": [0]})
    return rig.rows


@pytest.fixture
def rig(tmp_path: Path, store: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stage over the newest generation; afterwards no process of it is left."""
    rig = AisRig(tmp_path / "stage", store, model).use(monkeypatch)
    yield rig
    assert list(leftovers(tmp_path / "stage")) == []


@pytest.mark.parametrize("generation", "ABCDE")
def test_every_generation_gives_the_rows_of_the_cpu(
    rig: AisRig, monkeypatch: pytest.MonkeyPatch, expected: dict[int, bytes], generation: str
) -> None:
    """Scores to the bit, every clip once, its own figures beside ours, nothing left on the disk but the rows."""
    outcome = rig.use(monkeypatch, generation, LATENCY="0.01").ais()
    assert expected == rig.rows
    figures = outcome.figures
    assert (CLIPS, FILES, 2, 2) == tuple(figures[n] for n in ("clips", "batches", "devices", "tool_chips"))
    assert 10 <= figures["npu_compute_ms_median"] < 100
    # two chips of at most 2 clips in 10 ms; every generation but the tool's own mean counts the same
    assert 40 < figures["tool_throughput"] <= 400
    assert figures["compute_seconds"] >= 0.01 * FILES
    rate = figures["clips_per_s"]  # None where all outputs were seen at once: then nobody measured it
    assert rate is None or rate > 0
    assert ["rows.bin"] == [path.name for path in (rig.folder / "out").iterdir()]


def test_chips_are_shown_as_they_go(rig: AisRig) -> None:
    """States in order, clips that count, latencies once the tool has told them."""
    rig.ais()
    assert ["found", "loading", "ready", "loading", "working", "idle", "done"] == rig.states("npu:0")
    assert ["found", "out"] == rig.states("npu:3")
    last = {e.device: e for e in rig.events if isinstance(e, DeviceProgress) and e.clips}
    assert CLIPS == sum(tick.clips for tick in last.values())
    assert all(tick.latency_ms is not None and tick.utilisation is None for tick in last.values())
    assert CLIPS == rig.progress[-1].done == rig.progress[-1].total
    assert any("clips/s while computing" in note for note in rig.notes)


def test_one_process_a_chip_with_safe_paths_and_a_terminal(rig: AisRig) -> None:
    """Each chip gets an even share, its own fresh folder, numbers for names; the tool sees a terminal."""
    rig.ais(devices=3)
    calls = rig.calls
    assert [0, 1, 2] == sorted(int(call["argv"][call["argv"].index("--device") + 1]) for call in calls)
    assert 3 == len({call["cwd"] for call in calls})
    assert all(call["terminal"] for call in calls)
    assert all(call["argv"][call["argv"].index("--batchsize") + 1] == str(BATCH) for call in calls)


def test_staged_files_are_private_real_and_ours(rig: AisRig) -> None:
    """A folder of 0700, files that nobody else may write, no links, whatever the umask and the model's mode."""
    seen: list[tuple[str, int, bool]] = []
    om = make_om(rig.folder.with_name("model.om"))
    om.chmod(0o664)

    def watch(event: Any, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.state == "working" and not seen:
            base = rig.folder / "out" / "ais_bench"
            paths = (base, *base.rglob("*.om"), *base.rglob("in"), *base.rglob("in/*.bin"))
            seen.extend((path.name, stat.S_IMODE(path.lstat().st_mode), path.is_symlink()) for path in paths)

    rig.watch = watch
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.4")
    before = os.umask(0o002)
    try:
        rig.ais(devices=1)
    finally:
        os.umask(before)
    assert ("ais_bench", 0o700, False) == seen[0]
    assert ("model.om", 0o640, False) == seen[1]
    assert {("in", 0o700, False)} == {row for row in seen if row[0] == "in"}
    assert {(0o640, False)} == {row[1:] for row in seen if row[0].endswith(".bin")}
    assert 0o664 == stat.S_IMODE(om.stat().st_mode)


def test_the_guides_layout_uses_the_guides_files(
    rig: AisRig, tmp_path: Path, store: Path, expected: dict[int, bytes]
) -> None:
    """One file a video; where preprocess wrote that file it is linked, not written again, odd names and all."""
    from backends.data.clip_store import ClipStore

    rig.bins = tmp_path / "bins"
    rig.bins.mkdir()
    opened = ClipStore.open(store)
    video = next(video for video in opened.videos if video.clips == BATCH)
    source = rig.bins / f"{video.id}.bin"
    opened.batch(video.numbers).tofile(source)
    linked: list[int] = []

    def watch(event: Any, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.state == "working":
            linked.append(source.stat().st_nlink)

    rig.watch = watch
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.4")
    outcome = rig.ais(devices=1, layout="guide")
    assert expected == rig.rows
    assert sum(-(-clips // BATCH) for clips in VIDEOS) == outcome.figures["batches"]
    assert [2] == linked


def test_a_model_that_takes_bytes_is_given_bytes(rig: AisRig, expected: dict[int, bytes]) -> None:
    """A quarter of the size, the same scores; given floats, the tool says that the sizes do not match."""
    make_om(rig.folder.with_name("model.om"), kind="u1")
    with pytest.raises(StageError, match="the model takes other sizes"):
        rig.ais(devices=1)
    rig.ais(devices=1, input="uint8")
    assert expected == rig.rows


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "execute", "at": 1}, "(code 507015)"),
        ({"kind": "segv", "at": 1}, "ended by signal 11"),
        ({"kind": "open"}, "acl open device 1 failed"),
        ({"kind": "load"}, "the model cannot be loaded"),
        ({"kind": "short", "at": 1}, "its output has 36 bytes, not 40"),
        ({"kind": "hang", "at": 1}, "no new output for"),
        ({"kind": "child_killed", "at": 1}, "no new output for"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_chip_that_fails_is_retired_and_the_others_finish(
    rig: AisRig, expected: dict[int, bytes], fault: dict[str, Any], words: str
) -> None:
    """With its reason; what it had done counts, what it left is done by the other, and nothing is left running."""
    rig.faults({**fault, "device": 1})
    outcome = rig.ais(limits={"answer_s": 1.0})
    assert expected == rig.rows
    ((device, reason),) = rig.retired()
    assert ("npu:1", True) == (device, words in reason)
    assert 1 == outcome.figures["tool_chips"]
    assert any("npu:1 is out of the run" in note for note in rig.notes)


def test_a_tool_that_ends_with_an_error_after_its_outputs_loses_none(rig: AisRig, expected: dict[int, bytes]) -> None:
    """Its scores count. Its chip is dropped with the status where the others still work; else the run is over first."""
    rig.faults({"kind": "exit", "device": 1})
    rig.ais(limits={"answer_s": 1.0})
    assert expected == rig.rows
    assert [] == [reason for device, reason in rig.retired() if (device, reason) != ("npu:1", "exit status 7")]


def test_a_lone_chip_that_was_killed_gets_a_new_process(
    rig: AisRig, tmp_path: Path, expected: dict[int, bytes]
) -> None:
    """With the likely cause; what it had done is not done again."""
    rig.faults({"kind": "kill", "at": 3, "once": str(tmp_path / "once")})
    rig.ais(devices=1)
    assert expected == rig.rows
    assert [] == rig.retired()
    assert any("ended by signal 9" in note for note in rig.notes)
    assert any("for lack of memory" in note for note in rig.notes)
    assert 2 == len(rig.calls)


def test_a_run_without_a_summary_is_reported(rig: AisRig, expected: dict[int, bytes]) -> None:
    """Its outputs count; its figures are missing."""
    rig.faults({"kind": "no_summary", "device": 1})
    outcome = rig.ais()
    assert (expected, 1) == (rig.rows, outcome.figures["tool_chips"])
    assert any("wrote no summary" in note for note in rig.notes)


def test_our_rate_never_exceeds_the_tools_own(rig: AisRig) -> None:
    """The clock begins before the first clip that counts; the tool's figure is of computing alone."""
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.3")
    figures = rig.ais(devices=2).figures
    assert 0 < figures["clips_per_s"] <= figures["tool_throughput"]
    assert figures["seconds"] >= 0.3 * FILES / 2
    for tick in (event for event in rig.events if isinstance(event, DeviceProgress)):
        assert (tick.mean_clips_per_s or 0) <= BATCH / 0.3 * 1.01


def test_scores_that_are_no_numbers_are_computed_elsewhere(rig: AisRig, expected: dict[int, bytes]) -> None:
    """No such row is written; the other chip computes the batch."""
    rig.faults({"kind": "nan", "at": 1, "device": 1})
    rig.ais()
    assert expected == rig.rows


def test_no_chip_left_says_why_and_how_to_mend_it(rig: AisRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model for another chip fails on all of them, each once: a new process would do no better."""
    monkeypatch.setenv("FAKE_AIS_SOC", "Ascend310")
    with pytest.raises(StageError, match="no device is left: the model cannot be loaded") as caught:
        rig.ais(devices=2)
    assert "another chip" in str(caught.value.hint)
    assert 2 == len(rig.calls)


def test_a_wrong_batch_size_is_told_in_the_tools_words(rig: AisRig) -> None:
    """The tool compares bytes with the model's."""
    make_om(rig.folder.with_name("model.om"), batch=3)
    with pytest.raises(StageError, match="the model takes other sizes: "):
        rig.ais(devices=1)


def test_many_runs_where_a_run_may_hold_few_files(rig: AisRig, expected: dict[int, bytes]) -> None:
    """A small disk: every share is cut, the folders are removed between, the figures stand over all runs."""
    outcome = rig.ais(devices=2, files=2)
    assert expected == rig.rows
    assert 3 <= len(rig.calls) <= 4
    assert (FILES, 2) == (outcome.figures["batches"], outcome.figures["tool_chips"])


def test_a_stop_keeps_what_was_done_and_the_next_attempt_goes_on(
    rig: AisRig, monkeypatch: pytest.MonkeyPatch, expected: dict[int, bytes]
) -> None:
    """The groups end, rows count, and only the rest is staged again."""
    monkeypatch.setenv("FAKE_AIS_LATENCY", "0.6")

    def watch(event: Any, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.state == "working":
            threading.Timer(1.0, job.obey, ({"command": "stop"},)).start()

    rig.watch = watch
    with pytest.raises(Stopped):
        rig.ais()
    done = len(rig.rows)
    assert 0 < done < CLIPS
    monkeypatch.setenv("FAKE_AIS_LATENCY", "0.002")
    rig.watch = None
    assert done == rig.ais().figures["clips_taken_up"]
    assert expected == rig.rows


def test_a_killed_stage_takes_the_tool_with_it_and_resumes(rig: AisRig, expected: dict[int, bytes]) -> None:
    """After kill -9 the tool is gone; the next attempt computes what has no row and leaves nothing of the first."""
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.3")
    child = subprocess.Popen(
        [sys.executable, "-m", "backends.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=child_environment(rig.folder),
        start_new_session=True,
    )
    assert child.stdin is not None
    job = rig.job(devices=1)
    request = rig.request(job.params, job.tuning)
    child.stdin.write(dumps(request).encode() + b"\n")
    child.stdin.flush()
    outputs = rig.folder / "out" / "ais_bench" / "npu0-0001" / "out" / "run"
    wait_until(lambda: outputs.is_dir() and len(list(outputs.iterdir())) >= 3)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdin.close()
    wait_until(lambda: not list(leftovers(rig.folder)))
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.002")
    rig.ais(devices=1)
    assert expected == rig.rows
    assert ["rows.bin"] == [path.name for path in (rig.folder / "out").iterdir()]


def test_a_chip_is_taken_out_and_put_back(rig: AisRig, expected: dict[int, bytes]) -> None:
    """Its process ends, its files go back; put back, it takes part again."""
    rig.monkeypatch.setenv("FAKE_AIS_LATENCY", "0.5")
    told: list[str] = []

    def watch(event: Any, job: Any) -> None:
        if isinstance(event, DeviceChanged) and event.device == "npu:1" and event.state not in told:
            told.append(event.state)
            if event.state == "working":
                job.obey({"command": "device", "id": "npu:1", "take": "out"})
            elif event.state == "out":
                job.obey({"command": "device", "id": "npu:1", "take": "in"})

    rig.watch = watch
    rig.ais()
    assert expected == rig.rows
    states = rig.states("npu:1")
    assert states.index("working") < states.index("out") < len(states) - 1 - states[::-1].index("loading")
    assert [] == rig.retired()


def test_clips_that_cannot_be_read_set_their_video_aside(
    rig: AisRig, tmp_path: Path, expected: dict[int, bytes]
) -> None:
    """A damaged clip is left out of its file; its neighbours count."""
    import shutil

    copy = tmp_path / "damaged"
    shutil.copytree(rig.store, copy)
    shard = copy / "clips-00000.u8"
    with shard.open("r+b") as file:
        file.seek(5 * 3 * 16 * 112 * 112)
        file.write(b"damage")
    rig.store = copy
    outcome = rig.ais()
    assert {number: row for number, row in expected.items() if number != 5} == rig.rows
    assert ["video 2"] == [item.item for item in outcome.set_aside]


@pytest.mark.parametrize("name", ["with blank", "comma,name", "中文"])
def test_a_place_that_the_tool_refuses_is_told_before(rig: AisRig, tmp_path: Path, name: str) -> None:
    """In one line with the fix; older generations refuse commas alone."""
    rig.folder = tmp_path / name / "stage"
    rig.folder.mkdir(parents=True)
    with pytest.raises(InputError, match="ais_bench does not take such a path"):
        rig.ais()
    rig.use(rig.monkeypatch, "C")
    if "," not in name:
        rig.ais()
        assert CLIPS == len(rig.rows)


def test_a_tool_that_is_not_there_is_a_need(rig: AisRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compiled package, or without the tool, the reason and what to install."""
    monkeypatch.setenv("FAKE_AIS_NO_ACLRUNTIME", "1")
    with pytest.raises(NeedError, match="No module named 'aclruntime'") as caught:
        rig.ais()
    assert "aclruntime" in str(caught.value.hint)
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(NeedError, match="No module named ais_bench"):
        rig.ais()


def test_no_om_is_told(rig: AisRig) -> None:
    """An ONNX file is nothing for this tool."""
    request = Rig.request(rig, {"target": "ascend", "runtime": "ais_bench"}, {})
    with pytest.raises(InputError, match=r"ais_bench takes an \.om"):
        run(Job(request, rig.events.append))


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
