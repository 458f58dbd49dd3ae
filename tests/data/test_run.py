"""The stage: the guide's bytes, bad videos set aside by name, taken up again after stops and damage."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from backends.core.events import Outcome, StageNote, StageProgress
from backends.core.messages import InputError, StageError, Stopped
from backends.core.plan import Stage
from backends.core.settings import DatasetSettings, InferSettings, Settings
from backends.core.stage_request import Request, Upstream
from backends.data import preprocess as stage
from backends.data.clip_store import ClipStore
from backends.data.data_specs import PREPROCESS
from backends.data.preprocess import run
from backends.device.clip_format import shard_path
from backends.worker.job import Job
from tests.data import reference
from tests.data.conftest import Bench


def files(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def plan(golden: Path, layout: str = "packed") -> Stage:
    """The stage for the golden frames."""
    infer = InferSettings(layout="guide") if layout == "guide" else InferSettings()
    return PREPROCESS.plan(Settings(dataset=DatasetSettings(frames=golden / "frames"), infer=infer))


@pytest.mark.slow
@pytest.mark.usefixtures("each_kernel")
def test_the_golden_videos_give_the_guides_bytes(shared: Path, tmp_path: Path) -> None:
    """Eleven of eleven `.bin` files and hmdb51.info are the guide's, with the C kernels and without."""
    golden = shared / "data" / "golden"
    made = plan(golden, "guide")
    upstream = {"annotate": Upstream(golden, Outcome(outputs={"annotation": "annotation.json"}))}
    request = Request(
        "preprocess", made.entry, 1, tmp_path, tmp_path / "out", tmp_path / "s", made.params, {}, made.inputs, upstream
    )
    job = Job(request, lambda event: None)
    outcome = job.complete(run(job))
    expected = json.loads((golden / "bin_sha256.json").read_text())
    bins = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "out/bins").iterdir()}
    assert expected == bins
    assert (golden / "hmdb51.info").read_bytes() == (tmp_path / "out/hmdb51.info").read_bytes()
    assert {"store": "store", "labels": "labels.json", "bins": "bins", "info": "hmdb51.info"} == outcome.outputs
    assert ["listed_but_absent"] == [entry.item for entry in outcome.set_aside]
    wanted = {"videos": 11, "clips": 47, "clips_before_cut": 51, "missing": 1, "bytes": 47 * 602_112}
    assert wanted == {name: outcome.figures[name] for name in wanted}


@pytest.mark.usefixtures("each_kernel")
def test_the_store_holds_the_references_pixels(bench: Bench) -> None:
    """Clips, labels, segments and counts of each video are those of plain Pillow, in the annotation's order."""
    frames = {"b": 20, "a": 5, "c": 170}
    for name, count in frames.items():
        bench.add(name, count, size=(150, 113))
    outcome = run(bench.job())
    store = ClipStore.open(bench.folder / "out" / "store")
    assert [("b", 2, 2), ("a", 1, 1), ("c", 10, 11)] == [(v.id, v.clips, v.clips_before_cut) for v in store.videos]
    for video in store.videos:
        expected = reference.clips(bench.frames / "wave" / video.id, *video.segment)
        assert np.array_equal(expected, np.stack([store.clip(number) for number in video.numbers]))
    assert store.digest == outcome.digest


def test_bad_videos_are_set_aside_and_the_rest_goes_on(bench: Bench) -> None:
    """Whatever is wrong with a video, it is named with its reason and counted, and the others are done."""
    bench.add("good", 17)
    bench.annotate("absent", 30)
    (bench.add("gap", 20) / "image_00009.jpg").unlink()
    bench.add("hollow", 1).joinpath("image_00001.jpg").unlink()
    (bench.add("torn", 3) / "image_00002.jpg").write_bytes(
        (bench.frames / "wave/good/image_00001.jpg").read_bytes()[:99]
    )
    (bench.add("text", 2) / "image_00001.jpg").write_text("no picture")
    bench.add("also good", 3, label="cartwheel")
    bench.annotate("for training", 3, subset="training")
    outcome = run(bench.job())
    assert {
        "absent": f"no frames in {bench.frames / 'wave' / 'absent'}",
        "gap": "image_00009.jpg is missing",
        "hollow": "image_00001.jpg is missing",
        "torn": "image_00002.jpg is cut off: it has no end marker",
        "text": "image_00001.jpg is not a JPEG",
    } == bench.set_aside
    assert (2, 3, 1) == tuple(outcome.figures[name] for name in ("videos", "clips", "missing"))
    store = ClipStore.open(bench.folder / "out" / "store")
    assert [("good", "wave"), ("also good", "cartwheel")] == [(video.id, video.label) for video in store.videos]


def test_frames_that_the_cap_cuts_are_not_read(bench: Bench) -> None:
    """Frames behind the tenth clip may be missing: nothing looks at them."""
    folder = bench.add("long", 200)
    for number in range(161, 201):
        (folder / f"image_{number:05d}.jpg").unlink()
    outcome = run(bench.job())
    assert (10, 13) == (outcome.figures["clips"], outcome.figures["clips_before_cut"])


def test_a_stopped_run_is_taken_up_at_the_video(bench: Bench) -> None:
    """Stopped after the first video, run again: only what was missing is done, and the store is that of one go."""
    for name in "abcdef":
        bench.add(name, 20)
    run(bench.job(out="clean"))
    job = bench.job(workers=1)
    job._say = lambda event: job.obey({"command": "stop"})
    with pytest.raises(Stopped):
        run(job)
    job = bench.job()
    outcome = run(job)
    assert 12 == outcome.figures["clips"]
    last = [event for event in bench.events if isinstance(event, StageProgress)][-1]
    assert (6, 6, 10) == (last.done, last.total, last.figures["clips"])
    assert files(bench.folder / "clean") == files(bench.folder / "out")


def test_a_finished_stage_does_nothing_twice(bench: Bench) -> None:
    """Run once more, everything is found whole; no rate is claimed, and set-aside videos are said again."""
    bench.add("a", 3)
    bench.annotate("absent", 3)
    first = run(bench.job())
    again = run(bench.job())
    assert first.digest == again.digest
    assert again.figures["clips_per_s"] is None
    assert {"absent"} == set(bench.set_aside)


def test_damage_is_redone_and_said(bench: Bench) -> None:
    """A flipped byte costs one video's work, with a note, and the store is the same as before."""
    for name in "abc":
        bench.add(name, 3)
    run(bench.job())
    before = files(bench.folder / "out")
    path = shard_path(bench.folder / "out" / "store", 0)
    data = bytearray(path.read_bytes())
    data[700_000] ^= 1
    path.write_bytes(data)
    run(bench.job())
    notes = [str(event.text) for event in bench.events if isinstance(event, StageNote)]
    assert ["1 videos of an earlier attempt are damaged and are done again"] == notes
    assert before == files(bench.folder / "out")


def test_the_guides_files_of_an_earlier_attempt_are_compared(bench: Bench) -> None:
    """A `.bin` with other bytes is written again, a foreign one goes, a right one is left alone."""
    for name in "ab":
        bench.add(name, 3)
    params = {"write_bins": True, "max_clips": 2}
    run(bench.job(params))
    bins = bench.folder / "out" / "bins"
    expected = files(bench.folder / "out")
    kept = (bins / "a.bin").stat().st_mtime_ns
    (bins / "b.bin").write_bytes(bytes(len(expected["bins/b.bin"])))
    (bins / "c.bin").write_bytes(b"")
    run(bench.job(params))
    assert expected == files(bench.folder / "out")
    assert kept == (bins / "a.bin").stat().st_mtime_ns
    assert 2 * 3 * 16 * 112 * 112 * 4 == len(expected["bins/a.bin"])
    assert b"a 1\nb 1\n" == expected["hmdb51.info"]


def test_the_guides_files_are_added_to_a_store_that_is_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for later, they are written out of the same clips: no frame is read again, and the first store stays."""
    for name in "ab":
        bench.add(name, 20)
    first = run(bench.job())
    before = files(bench.folder / "out")
    with monkeypatch.context() as blind:
        blind.setattr("backends.data.pixels.FrameReader.read", None)
        second = run(bench.job({"write_bins": True}, out="more", like="out"))
    assert (first.digest, 2) == (second.digest, len(list((bench.folder / "more" / "bins").iterdir())))
    run(bench.job({"write_bins": True}, out="anew"))
    assert files(bench.folder / "anew") == files(bench.folder / "more")
    assert before == files(bench.folder / "out")
    notes = [str(event.text) for event in bench.events if isinstance(event, StageNote)]
    assert [] == notes


def test_a_borrowed_store_never_writes_into_the_other(bench: Bench) -> None:
    """A damaged clip is made again in a file of its own; the store it was borrowed from is left as it was."""
    for name in "ab":
        bench.add(name, 20)
    run(bench.job())
    shard = shard_path(bench.folder / "out" / "store", 0)
    good = shard.read_bytes()
    shard.write_bytes(bytes(100) + good[100:])
    run(bench.job({"write_bins": True}, out="more", like="out"))
    assert good == shard_path(bench.folder / "more" / "store", 0).read_bytes()
    assert bytes(100) == shard.read_bytes()[:100]
    assert [] == [path.name for path in (bench.folder / "more" / "store").iterdir() if path.name.startswith(".")]


def test_other_shapes_are_made_as_asked(bench: Bench) -> None:
    """Size, length, stride and cap come from the settings."""
    folder = bench.add("a", 9)
    outcome = run(bench.job({"size": 16, "clip_frames": 4, "clip_stride": 2, "max_clips": 3}))
    store = ClipStore.open(bench.folder / "out" / "store")
    assert (3, 4) == (outcome.figures["clips"], outcome.figures["clips_before_cut"])
    with Image.open(folder / "image_00005.jpg") as image:
        assert np.array_equal(reference.pixels(image, 16), store.clip(1)[:, 2])


@pytest.mark.parametrize("workers", [1, 5])
def test_threads_do_not_change_the_store(bench: Bench, workers: int) -> None:
    """Any number of threads gives the same files in the same order."""
    for number in range(12):
        bench.add(f"v{number}", 3 + 5 * (number % 4))
    run(bench.job(workers=2, out="two"))
    run(bench.job(workers=workers))
    assert files(bench.folder / "two") == files(bench.folder / "out")


def test_nothing_usable_is_an_error(bench: Bench) -> None:
    """With every video set aside the stage fails and says where it looked; so with no frames folder or subset."""
    bench.annotate("absent", 3)
    bench.frames.mkdir()
    with pytest.raises(StageError, match="none of the 1 videos could be used"):
        run(bench.job())
    with pytest.raises(InputError, match="no video of subset testing; it has validation"):
        run(bench.job({"subset": "testing"}))
    shutil.rmtree(bench.frames)
    with pytest.raises(InputError, match="frames: no such folder"):
        run(bench.job())


def test_a_disk_too_small_is_said_before_the_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The room that all clips need is compared with what is free, not discovered after an hour."""
    bench.add("a", 3)
    monkeypatch.setattr(stage.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(StageError, match=r"602 kB are needed and 1\.0 kB are free"):
        run(bench.job())


def test_progress_is_by_video_with_measured_rates(bench: Bench) -> None:
    """The last tick is complete and carries the rates of this attempt."""
    for name in "abc":
        bench.add(name, 20)
    outcome = run(bench.job())
    last = [event for event in bench.events if isinstance(event, StageProgress)][-1]
    assert (3, 3, "videos", 6) == (last.done, last.total, last.unit, last.figures["clips"])
    assert last.rate is not None
    assert last.figures["clips_per_s"] == outcome.figures["clips_per_s"]


def test_the_plan_reads_what_the_user_gave() -> None:
    """Frames from outside are an input; workers are tuning; the layout decides on the guide's files."""
    given = plan(Path("/golden"))
    assert {"frames": Path("/golden/frames")} == given.inputs
    assert not given.params["write_bins"]
    assert plan(Path("/golden"), "guide").params["write_bins"]
    without = PREPROCESS.plan(Settings())
    assert {} == without.inputs
    assert "workers" not in without.params
    assert ("write_bins",) == without.adds
    assert ("check", "frames", "annotate") == without.after


def test_names_with_brackets_and_accents_work(bench: Bench) -> None:
    """A video's id is a file name and nothing else."""
    name = "(Rad)name_with_é_and_(brackets)! [b] %s"
    bench.add(name, 3)
    run(bench.job({"write_bins": True}))
    assert [f"{name}.bin"] == [path.name for path in (bench.folder / "out" / "bins").iterdir()]
    assert f"{name} 1\n".encode() == (bench.folder / "out" / "hmdb51.info").read_bytes()


@pytest.mark.parametrize("pattern", ["image_{:05d}.jpg", "img_{:05d}.jpg", "frame{:06d}.jpg", "{:05d}.jpg"])
@pytest.mark.parametrize("lowest", [0, 1])
def test_frames_of_other_names_give_the_same_clips(bench: Bench, pattern: str, lowest: int) -> None:
    """Whatever the name and the first number, frame 1 of the segment is the first file."""
    folder = bench.add("a", 20)
    run(bench.job())
    wanted = ClipStore.open(bench.folder / "out" / "store").clip(1).tobytes()
    for number in range(20, 0, -1) if lowest else range(1, 21):
        (folder / f"image_{number:05d}.jpg").rename(folder / ("new " + pattern.format(number - 1 + lowest)))
    for path in folder.iterdir():
        path.rename(folder / path.name.removeprefix("new "))
    run(bench.job(out="other"))
    assert {} == bench.set_aside
    assert wanted == ClipStore.open(bench.folder / "other" / "store").clip(1).tobytes()


@pytest.mark.parametrize("is_back", [True, False])
def test_frames_that_were_away_for_a_moment_are_a_reason_that_may_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, is_back: bool
) -> None:
    """A folder that is back at the end of the stage: the next run tries its video again."""
    bench.add("a", 20)
    folder = bench.add("b", 20)
    away = folder.rename(bench.folder / "away")
    job = bench.job()

    def progress(done: int, total: int, *_: object, **__: object) -> None:
        if is_back and done == total:
            away.rename(folder)

    monkeypatch.setattr(job, "progress", progress)
    outcome = job.complete(run(job))
    assert [("b", is_back)] == [(entry.item, entry.is_temporary) for entry in outcome.set_aside]
    assert int(is_back) == outcome.temporary_count
