"""The frames stage: what it writes, what it sets aside, how it is taken up again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from backends.core.codec import dumps
from backends.core.events import ItemSetAside, StageFinished, StageNote, StageProgress, from_json
from backends.core.messages import InputError, Stopped
from backends.core.processes import child_environment
from backends.data.frames import run, step_frames
from backends.worker.job import Request
from tests.data.conftest import FilmMaker, JobMaker


def _tree(root: Path) -> dict[str, int]:
    """Video folders and how many files they hold."""
    return {folder.relative_to(root).as_posix(): len(list(folder.iterdir())) for folder in sorted(root.glob("*/*"))}


def _aside(job: object) -> dict[str, str]:
    return {event.item: str(event.reason) for event in job.said if isinstance(event, ItemSetAside)}  # type: ignore[attr-defined]


def test_each_video_becomes_a_folder(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Frames are numbered from 1, five digits wide, and the index tells count and size."""
    film(tmp_path / "videos/wave/a [b] é.avi", 3)
    film(tmp_path / "videos/run/c.mp4", 5)
    outcome = run(job(inputs={"videos": tmp_path / "videos"}))
    assert {"run/c": 5, "wave/a [b] é": 3} == _tree(tmp_path / "out/frames")
    names = sorted(path.name for path in (tmp_path / "out/frames/wave/a [b] é").iterdir())
    assert ["image_00001.jpg", "image_00002.jpg", "image_00003.jpg"] == names
    assert {"class": "run", "id": "c", "frames": 5, "files": 5, "width": 320, "height": 240} == json.loads(
        (tmp_path / "out/frames.json").read_bytes()
    )["videos"][0]
    assert {"frames": "frames", "index": "frames.json", "records": "made.jsonl"} == outcome.outputs
    assert (2, 2, 8) == tuple(outcome.figures[name] for name in ("classes", "videos", "frames"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["frames", "frames.json", "made.jsonl"]


def test_bad_videos_are_set_aside_and_leave_nothing(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Empty, foreign, cut, frameless and unreadable files are named with a reason; the good ones are made."""
    root = tmp_path / "videos"
    good = film(root / "wave/good.avi", 30)
    (root / "wave/empty.avi").touch()
    (root / "wave/foreign.avi").write_bytes(b"hello" * 100)
    (root / "wave/cut.avi").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (root / "wave/gone.avi").symlink_to(tmp_path / "nowhere.avi")
    (root / "wave/link.avi").symlink_to(film(tmp_path / "elsewhere/x.avi", 4))
    made = job(inputs={"videos": root})
    outcome = run(made)
    assert {"wave/good": 30, "wave/link": 4} == _tree(tmp_path / "out/frames")
    assert {"wave/empty", "wave/foreign", "wave/cut", "wave/gone"} == set(_aside(made))
    assert "the file is empty" == _aside(made)["wave/empty"]
    assert 2 == outcome.figures["videos"]
    assert not (tmp_path / "out/parts").exists()


def test_nothing_usable_is_an_error(tmp_path: Path, job: JobMaker) -> None:
    """A folder of which no video can be used fails with one line, not with an empty result."""
    (tmp_path / "videos/wave").mkdir(parents=True)
    (tmp_path / "videos/wave/a.avi").write_bytes(b"x")
    with pytest.raises(InputError, match="none of its 1 videos could be used"):
        run(job(inputs={"videos": tmp_path / "videos"}))


def test_only_what_is_missing_is_made_again(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """After a kill, whole folders stay as they are; half ones, changed ones and those without a record are made."""
    for name in ("a", "b", "c", "d"):
        film(tmp_path / f"videos/wave/{name}.avi", 4)
    first = run(job(inputs={"videos": tmp_path / "videos"}))
    frames = tmp_path / "out/frames/wave"
    (frames / "b/image_00004.jpg").unlink()
    (frames / "c/image_00002.jpg").write_bytes(b"")
    records = (tmp_path / "out/made.jsonl").read_bytes().splitlines()
    kept = [text for text in records if b'"id":"d"' not in text]
    (tmp_path / "out/made.jsonl").write_bytes(b"\n".join(kept) + b'\n{"label":"wave","id":"d","fra')
    (tmp_path / "out/parts/0").mkdir(parents=True)
    (tmp_path / "out/parts/0/image_00001.jpg").write_bytes(b"left over")
    before = (frames / "a/image_00001.jpg").stat().st_mtime_ns
    again = job(inputs={"videos": tmp_path / "videos"})
    second = run(again)
    assert first == second
    assert before == (frames / "a/image_00001.jpg").stat().st_mtime_ns
    assert {"wave/a": 4, "wave/b": 4, "wave/c": 4, "wave/d": 4} == _tree(tmp_path / "out/frames")
    assert ["1 of 4 videos were there already"] == [str(e.text) for e in again.said if isinstance(e, StageNote)]
    third = job(inputs={"videos": tmp_path / "videos"})
    assert first == run(third)
    assert ["4 of 4 videos were there already"] == [str(e.text) for e in third.said if isinstance(e, StageNote)]


def test_a_damaged_frame_is_made_again(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """What is there is compared byte for byte: a flipped bit of the same size is not taken for what was made."""
    film(tmp_path / "videos/wave/a.avi", 3)
    first = run(job(inputs={"videos": tmp_path / "videos"}))
    path = tmp_path / "out/frames/wave/a/image_00002.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    assert first.digest == run(job(inputs={"videos": tmp_path / "videos"})).digest
    assert whole == path.read_bytes()


def test_the_digest_follows_the_content(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Other frames give another digest, the number of workers does not."""
    for name in ("a", "b", "c"):
        film(tmp_path / f"videos/wave/{name}.avi", 4)
    digests = []
    for workers in (1, 3):
        digests.append(run(job(inputs={"videos": tmp_path / "videos"}, tuning={"workers": workers})).digest)
        for path in (tmp_path / "out").glob("made.jsonl"):
            path.unlink()
    film(tmp_path / "videos/wave/c.avi", 5)
    digests.append(run(job(inputs={"videos": tmp_path / "videos"})).digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_stop_is_obeyed_between_frames_and_kept_work_counts(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """A stop ends the attempt soon, leaves no half folder, and what was made is not made again."""
    for number in range(6):
        film(tmp_path / f"videos/wave/{number}.avi", 120, 320, 240)
    stopped = job(inputs={"videos": tmp_path / "videos"}, tuning={"workers": 1})
    done = tmp_path / "out/frames/wave/1"

    def stop_after_two() -> None:
        while not done.exists():
            time.sleep(0.002)
        stopped.obey({"command": "stop"})

    timer = threading.Thread(target=stop_after_two)
    timer.start()
    with pytest.raises(Stopped):
        run(stopped)
    timer.join()
    left = _tree(tmp_path / "out/frames")
    assert {120} == set(left.values())
    assert len(left) < 6
    run(job(inputs={"videos": tmp_path / "videos"}))
    assert 6 == len(_tree(tmp_path / "out/frames"))


def test_progress_counts_videos_and_frames(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """The last tick has all videos, a rate in videos a second, and the frames a second beside it."""
    film(tmp_path / "videos/wave/a.avi", 3)
    made = job(inputs={"videos": tmp_path / "videos"})
    run(made)
    last = [event for event in made.said if isinstance(event, StageProgress)][-1]
    assert (1, 1, "videos") == (last.done, last.total, last.unit)
    assert last.rate is not None
    assert last.figures["frames_per_s"] == pytest.approx(3 * last.rate, rel=0.2)


def test_a_full_disk_is_not_blamed_on_a_video(
    tmp_path: Path, film: FilmMaker, job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the folder that is written to ends the stage, it sets no video aside."""
    film(tmp_path / "videos/wave/a.avi", 3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backends.data.frames.Path.rename", full)
    made = job(inputs={"videos": tmp_path / "videos"})
    with pytest.raises(OSError, match="No space left"):
        run(made)
    assert {} == _aside(made)


def test_the_step_keeps_what_a_person_put_there(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """`step frames` writes beside folders that it did not make, names them, and takes up its own."""
    film(tmp_path / "videos/wave/a.avi", 3)
    film(tmp_path / "videos/wave/mine.avi", 3)
    (tmp_path / "jpg/wave/mine").mkdir(parents=True)
    (tmp_path / "jpg/wave/mine/image_00001.jpg").write_bytes(b"mine")
    params = {"video_path": str(tmp_path / "videos"), "output_path": str(tmp_path / "jpg")}
    for _ in range(2):
        made = job(params=params)
        outcome = step_frames(made)
        assert ["wave/mine"] == list(_aside(made))
        assert 1 == outcome.figures["videos"]
    assert b"mine" == (tmp_path / "jpg/wave/mine/image_00001.jpg").read_bytes()
    assert {"wave/a": 3, "wave/mine": 1} == _tree(tmp_path / "jpg")


def test_without_videos_the_line_says_so(job: JobMaker) -> None:
    """A request without a folder of videos is refused in one line."""
    with pytest.raises(InputError, match="no folder of videos"):
        run(job())


def test_real_clips_through_the_worker(shared: Path, tmp_path: Path) -> None:
    """The child process makes the counts that ffmpeg gives for the four real clips, under the annotation's ids."""
    out = tmp_path / "out"
    out.mkdir()
    inputs = {
        "videos": shared / "data/hmdb51_clips",
        "annotation": shared / "data/golden/annotation.json",
    }
    request = Request("frames", "backends.data.frames:run", 1, tmp_path, out, tmp_path / "scratch", inputs=inputs)
    child = subprocess.Popen(
        [sys.executable, "-m", "backends.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(tmp_path),
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        child.stdin.write(dumps(request).encode() + b"\n")
        child.stdin.flush()
        last = [from_json(text) for text in child.stdout][-1]
        child.stdin.close()
    assert isinstance(last, StageFinished), last
    assert {
        "cartwheel/Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6": 83,
        "wave/RATRACE_wave_f_nm_np1_fr_goo_37": 72,
        "wave/SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0": 74,
        "wave/TrumanShow_wave_f_nm_np1_fr_med_26": 48,
    } == _tree(out / "frames")


CLIPS = {"frames": 4, "stride": 4, "most": 2}


def _lists(folder: Path, **videos: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "wave_test_split1.txt").write_text("".join(f"{name}.avi {code}\n" for name, code in videos.items()))
    return folder


def test_a_run_makes_what_its_clips_use(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """The subset's videos up to the last frame of the last clip; the index has the whole count of frames."""
    for name, frames in {"a": 20, "b": 5, "c": 20}.items():
        film(tmp_path / f"videos/wave/{name}.avi", frames)
    inputs = {"videos": tmp_path / "videos", "splits": _lists(tmp_path / "lists", a=2, b=2, c=1)}
    outcome = run(job(inputs=inputs, params={"clips": CLIPS}))
    assert {"wave/a": 8, "wave/b": 5} == _tree(tmp_path / "out/frames")
    assert 13 == outcome.figures["frames"]
    index = json.loads((tmp_path / "out/frames.json").read_bytes())["videos"]
    assert [("a", 20, 8), ("b", 5, 5)] == [(one["id"], one["frames"], one["files"]) for one in index]


def test_an_annotations_segment_may_begin_late(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Frames up to the end of its last clip are made, no further than the segment."""
    film(tmp_path / "videos/wave/a.avi", 30)
    film(tmp_path / "videos/wave/b.avi", 30)
    database = {
        name: {"subset": "validation", "annotations": {"label": "wave", "segment": segment}}
        for name, segment in {"a": [11, 28], "b": [5, 9]}.items()
    }
    (tmp_path / "a.json").write_text(json.dumps({"labels": ["wave"], "database": database}))
    run(job(inputs={"videos": tmp_path / "videos", "annotation": tmp_path / "a.json"}, params={"clips": CLIPS}))
    assert {"wave/a": 18, "wave/b": 8} == _tree(tmp_path / "out/frames")


def test_another_subset_makes_only_what_is_missing(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """Videos that an earlier artifact has are linked from there, those that it has too short are made."""
    for name in ("a", "b", "c"):
        film(tmp_path / f"videos/wave/{name}.avi", 20)
    inputs = {"videos": tmp_path / "videos", "splits": _lists(tmp_path / "lists", a=2, b=2, c=1)}
    run(job(inputs=inputs, params={"clips": CLIPS}))
    (tmp_path / "out").rename(tmp_path / "first")
    _lists(tmp_path / "lists", a=2, b=1, c=2)
    made = job(inputs=inputs, params={"clips": CLIPS}, like=tmp_path / "first")
    run(made)
    assert {"wave/a": 8, "wave/c": 8} == _tree(tmp_path / "out/frames")
    old, new = (tmp_path / place / "frames/wave/a/image_00001.jpg" for place in ("first", "out"))
    assert old.stat().st_ino == new.stat().st_ino
    (tmp_path / "out").rename(tmp_path / "second")
    run(job(inputs=inputs, params={"clips": {**CLIPS, "most": 4}}, like=tmp_path / "second"))
    assert {"wave/a": 16, "wave/c": 16} == _tree(tmp_path / "out/frames")


def test_a_list_of_other_videos_is_refused_before_any_frame(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """None of the subset's videos lies there: one line, and nothing is made."""
    film(tmp_path / "videos/wave/x.avi", 5)
    inputs = {"videos": tmp_path / "videos", "splits": _lists(tmp_path / "lists", a=2)}
    with pytest.raises(InputError, match="none of the subset's 1 videos is among its 1"):
        run(job(inputs=inputs, params={"clips": CLIPS}))


def test_the_steps_size_rate_and_jobs(tmp_path: Path, film: FilmMaker, job: JobMaker) -> None:
    """`--size`, `--fps` and `--n_jobs` as the reference's script has them: frames are interpolated to the rate."""
    film(tmp_path / "videos/wave/a.avi", 30, 64, 48)
    params = {"video_path": str(tmp_path / "videos"), "output_path": str(tmp_path / "jpg"), "n_jobs": 1}
    outcome = step_frames(job(params={**params, "size": 32, "fps": 60}))
    assert 55 <= outcome.figures["frames"] <= 60
    with Image.open(tmp_path / "jpg/wave/a/image_00001.jpg") as image:
        assert (43, 32) == image.size


@pytest.mark.parametrize(
    ("suffix", "container", "codec"),
    [("wmv", "asf", "wmv2"), ("flv", "flv", "flv1"), ("m4v", "mp4", "mpeg4"), ("ts", "mpegts", "mpeg2video"),
     ("mts", "mpegts", "mpeg2video"), ("3gp", "3gp", "mpeg4"), ("vob", "vob", "mpeg2video"), ("divx", "avi", "mpeg4")],
)  # fmt: skip
def test_videos_of_every_suffix_that_is_taken_are_decoded(
    tmp_path: Path, film: FilmMaker, job: JobMaker, suffix: str, container: str, codec: str
) -> None:
    """The containers behind the names that `find_videos` takes give frames."""
    film(tmp_path / f"videos/wave/a.{suffix}", 12, 320, 240, container=container, codec=codec)
    made = job(inputs={"videos": tmp_path / "videos"})
    run(made)
    assert {} == _aside(made)
    assert 11 <= _tree(tmp_path / "out/frames")["wave/a"] <= 13
