"""Clips decoded from videos in memory are those that the folder of frames gives."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from backends.core.events import ItemSetAside, Outcome
from backends.core.files import is_full
from backends.core.stage_request import Request, Upstream
from backends.data import annotate, frames, preprocess
from backends.data.annotation import OPEN_END, Annotation, Video, annotation_json, read_annotation
from backends.data.clip_extraction import Extracted, extract_video
from backends.data.clip_store import read_index
from backends.data.data_specs import FRAMES_GROW, PreprocessParams
from backends.data.frame_pool import VideoFrames, VideoTask, make_video
from backends.data.pixels import FrameReader
from backends.data.video_clips import ClipTask, extract, extract_apart, of_frames, of_video, read_video
from backends.data.video_pool import Check, apart
from backends.worker.job import Job
from tests.data.conftest import FilmMaker

PARAMS = PreprocessParams()
COUNTS = (5, 16, 17, 20, 33, 47, 160, 170)
"""Frames of some videos."""
SEGMENTS = [(1, OPEN_END), (1, 200), (0, 20), (3, 40), (1, 4), (30, 47), (1, 1)]


def both(source: Path, folder: Path, video: Video, params: PreprocessParams = PARAMS) -> tuple[Extracted, Extracted]:
    """What the folder of frames gives, and what memory gives; an open segment is closed for the folder."""
    task = VideoTask(source, video.label, video.id, folder / "part", folder / video.label / video.id)
    made = make_video(task, lambda: None)
    assert isinstance(made, VideoFrames)
    closed = replace(video, end=made.frames + 1) if video.is_open else video
    return extract_video(closed, folder / video.label / video.id, params, FrameReader(params.size)), read_video(
        source, video, params
    )


def assert_same(one: Extracted, two: Extracted) -> None:
    """Equal clips, counts and segments, or none on both sides."""
    assert (one.clips is None) == (two.clips is None), (one.reason, two.reason)
    assert one.clips_before_cut == two.clips_before_cut
    if one.clips is not None and two.clips is not None:
        assert one.video == two.video
        assert np.array_equal(one.clips, two.clips)


@pytest.mark.parametrize("segment", SEGMENTS)
@pytest.mark.parametrize("params", [PARAMS, PreprocessParams(clip_frames=8, clip_stride=20, size=64, max_clips=2)])
def test_memory_gives_the_clips_of_the_folder(
    tmp_path: Path, film: FilmMaker, segment: tuple[int, int], params: PreprocessParams
) -> None:
    """Whatever the segment: to the video's end, beyond it, from frame 0, short, in the middle, empty."""
    source = film(tmp_path / "a.avi", 47, 160, 120)
    assert_same(*both(source, tmp_path / "frames", Video("a", "wave", "validation", *segment), params))


def test_real_clips_give_the_clips_of_their_folders(shared: Path, tmp_path: Path) -> None:
    """The four HMDB51 videos: DivX with dropped frames and B-frames."""
    for source in sorted((shared / "data" / "hmdb51_clips").glob("*.avi")):
        assert_same(*both(source, tmp_path, Video(source.stem, "wave", "validation", 1, OPEN_END)))


def crash_on_d(task: ClipTask, check: Check) -> Extracted:
    """As a decoder that a video makes crash; in a process of the pool."""
    if task.video.id == "d":
        os.kill(os.getpid(), signal.SIGKILL)
    return of_video(task, check)


def test_a_full_disk_is_reported_as_one(tmp_path: Path, film: FilmMaker) -> None:
    """What waits for its turn is a file: the stage fails with the fix for a full disk, and is resumed."""
    video = Video("a", "wave", "validation", 1, OPEN_END)
    task = ClipTask(video, PARAMS, Path("/dev/full"), film(tmp_path / "a.avi", 20))
    with pytest.raises(OSError, match="No space left") as caught:
        of_video(task, lambda: None)
    assert is_full(caught.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_videos_come_in_order_and_bad_ones_have_a_reason(tmp_path: Path, film: FilmMaker, workers: int) -> None:
    """Missing, empty and broken videos are named; nothing is left of what waited for its turn."""
    videos = [Video(name, "wave", "validation", 1, OPEN_END) for name in "ihgfedcba"]
    sources = {("wave", name): film(tmp_path / f"{name}.avi", 20) for name in "abcdefgh"}
    sources["wave", "c"].write_bytes(b"")
    sources["wave", "e"].write_bytes(b"RIFF....AVI ")
    parts = tmp_path / "parts"
    made = list(extract(videos, PARAMS, of_video, parts, workers=workers, sources=sources))
    assert [video.id for video in videos] == [one.video.id for one in made]
    assert ["i", "e", "c"] == [one.video.id for one in made if one.clips is None]
    reasons = {one.video.id: str(one.reason) for one in made if one.clips is None}
    assert "no video file found" == reasons["i"]
    assert "the file is empty" == reasons["c"]
    assert {21} == {one.video.end for one in made if one.clips is not None}
    assert not parts.exists()


def test_a_crash_of_the_decoder_skips_only_its_video(tmp_path: Path, film: FilmMaker) -> None:
    """The pool begins again, the order stays, and the reason may pass."""
    videos = [Video(name, "wave", "validation", 1, OPEN_END) for name in "hgfedcba"]
    sources = {("wave", name): film(tmp_path / f"{name}.avi", 20) for name in "abcdefgh"}
    made = list(extract(videos, PARAMS, crash_on_d, tmp_path / "parts", workers=2, sources=sources))
    assert list("hgfedcba") == [one.video.id for one in made]
    assert [("d", True)] == [(one.video.id, one.is_temporary) for one in made if one.clips is None]


def test_a_single_video_that_crashes_the_decoder_does_not_end_this_process(tmp_path: Path, film: FilmMaker) -> None:
    """Also where nothing else is decoded beside it; one that does not crash gives its clips."""
    crashing, sound = (Video(name, "wave", "validation", 1, OPEN_END) for name in "de")
    source = film(tmp_path / "e.avi", 20)
    assert apart(ClipTask(crashing, PARAMS, tmp_path / "d.u8", source), crash_on_d, lambda: None) is None
    made = extract_apart(ClipTask(sound, PARAMS, tmp_path / "e.u8", source), lambda: None)
    assert_same(read_video(source, sound, PARAMS), made)


class Stages:
    """The stages frames, annotate and preprocess over one folder of videos, with and without kept frames."""

    def __init__(self, folder: Path, params: Mapping[str, Any], inputs: Mapping[str, Path]) -> None:
        self.folder, self.params, self.inputs = folder, params, inputs
        self.said: list[Any] = []

    def job(self, stage: str, inputs: Mapping[str, Path], **upstream: Upstream) -> Job:
        out = self.folder / stage
        out.mkdir(parents=True, exist_ok=True)
        request = Request(
            stage, "", 1, self.folder, out, self.folder / "s", self.params, {"workers": 2}, inputs, upstream
        )
        return Job(request, self.said.append)

    def listed(self, videos: Path) -> Upstream:
        """What annotate gives."""
        made = annotate.run(self.job("annotate", self.inputs or {"videos": videos}))
        return Upstream(self.folder / "annotate", made)

    def made(self, videos: Path) -> Upstream:
        """What frames gives."""
        made = frames.run(self.job("frames", {"videos": videos, **self.inputs}))
        return Upstream(self.folder / "frames", made)

    def store(self, videos: Path, **upstream: Upstream) -> Outcome:
        """What preprocess gives: in memory, or behind or beside the frames stage."""
        return preprocess.run(self.job("preprocess", {"videos": videos}, annotate=self.listed(videos), **upstream))

    @property
    def skipped(self) -> list[str]:
        return [one.item for one in self.said if isinstance(one, ItemSetAside)]


def _videos(folder: Path, film: FilmMaker) -> Path:
    for number, name in enumerate(("a_1", "b_2", "c_3", "d_4", "e_5", "f_6", "g_7", "h_8")):
        film(folder / ("run" if number % 2 else "wave") / f"{name}.avi", 15 + 13 * number)
    (folder / "wave" / "broken_9.avi").write_bytes(b"no video")
    return folder


@pytest.mark.parametrize("given", ["annotation", "splits", "nothing"])
def test_stages_without_kept_frames_give_the_same_store(tmp_path: Path, film: FilmMaker, given: str) -> None:
    """From an annotation, from lists and from class folders alone: equal digests, and the broken video is named."""
    videos = _videos(tmp_path / "videos", film)
    names = [(path.parent.name, path.stem) for path in sorted(videos.glob("*/*.avi"))]
    inputs: dict[str, Path] = {}
    if given == "annotation":
        entries = tuple(Video(name, label, "validation", 1, 16) for label, name in names)
        (tmp_path / "a.json").write_bytes(annotation_json(Annotation(("run", "wave"), entries)))
        inputs = {"annotation": tmp_path / "a.json"}
    elif given == "splits":
        lists = tmp_path / "lists"
        lists.mkdir()
        (lists / "val.txt").write_text("".join(f"{label}/{name}.avi\n" for label, name in names))
        inputs = {"splits": lists}
    kept, memory = (Stages(tmp_path / name, {"subset": "validation"}, inputs) for name in ("kept", "memory"))
    one, two = kept.store(videos, frames=kept.made(videos)), memory.store(videos)
    assert one.digest == two.digest
    assert one.figures["clips"] == two.figures["clips"]
    assert "broken_9" in memory.skipped
    assert memory.skipped == [item for item in kept.skipped if item != "wave/broken_9"]
    assert all(one.segment[1] < 200 for one in read_index(tmp_path / "memory/preprocess/store").videos)


def test_frames_are_taken_only_where_they_are_what_was_recorded(tmp_path: Path, film: FilmMaker) -> None:
    """A frame that was damaged, and one that is gone: the store is that of the videos, and nothing is skipped."""
    videos = _videos(tmp_path / "videos", film)
    (videos / "wave" / "broken_9.avi").unlink()
    kept, memory = (Stages(tmp_path / name, {"subset": "validation"}, {}) for name in ("kept", "memory"))
    made = kept.made(videos)
    picture = made.path("frames") / "wave/a_1/image_00003.jpg"
    data = bytearray(picture.read_bytes())
    data[-40] ^= 1
    picture.write_bytes(data)
    (made.path("frames") / "run/b_2/image_00001.jpg").unlink()
    assert memory.store(videos).digest == kept.store(videos, frames=made).digest
    assert [] == kept.skipped


def test_clips_are_made_of_the_frames_that_are_there_while_frames_goes_on(tmp_path: Path, film: FilmMaker) -> None:
    """The first video is in the store before the last has frames; the end is that of one stage after the other."""
    videos, part = tmp_path / "videos", tmp_path / "part"
    for name in "abcde":
        film(videos / "wave" / f"{name}.avi", 20)
    (part / "wave").mkdir(parents=True)
    shutil.copy2(videos / "wave" / "a.avi", part / "wave" / "a.avi")
    beside, behind = (Stages(tmp_path / name, {"subset": "validation"}, {}) for name in ("beside", "behind"))
    made = beside.made(part)  # as far as the first
    made.path("index").unlink()
    growing = replace(made, outcome=Outcome(outputs=FRAMES_GROW), is_growing=True)
    with ThreadPoolExecutor(1) as pool:
        store = pool.submit(beside.store, videos, frames=growing)
        until = time.monotonic() + 30
        index = tmp_path / "beside/preprocess/store/index.jsonl"
        while not (index.exists() and b'"a"' in index.read_bytes()):
            assert time.monotonic() < until
            time.sleep(0.02)
        assert not store.done()
        assert not (made.path("frames") / "wave/e").exists()
        beside.made(videos)
        digest = store.result(30).digest  # before the other begins: a process has one reader of frames
    assert digest == behind.store(videos, frames=behind.made(videos)).digest


def test_an_open_segment_is_written_and_read(tmp_path: Path) -> None:
    """Nobody counted the frames: the annotation says so, and not a number."""
    path = tmp_path / "a.json"
    path.write_bytes(annotation_json(Annotation(("wave",), (Video("a", "wave", "validation", 1, OPEN_END),))))
    assert '"segment": [1, null]' in path.read_text()
    assert read_annotation(path).videos[0].is_open


@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_segment_ends_with_the_frames_of_its_folder(tmp_path: Path, film: FilmMaker, workers: int) -> None:
    """Clips and segment of a counted one; a folder that is not there, and one without frames, give no clips."""
    counted = [
        Video(name, "wave", "validation", 1, frames + 1) for name, frames in zip("abcdefgh", COUNTS, strict=True)
    ]
    for video in counted:
        source, target = film(tmp_path / f"{video.id}.avi", video.frames), tmp_path / "frames/wave" / video.id
        make_video(VideoTask(source, "wave", video.id, tmp_path / "part", target), lambda: None)
    (tmp_path / "frames/wave/hollow").mkdir()
    names = [*"abcdefgh", "hollow", "absent"]
    opened = [Video(name, "wave", "validation", 1, OPEN_END) for name in names]
    make, parts = partial(of_frames, tmp_path / "frames"), tmp_path / "parts"
    expected = list(extract(counted, PARAMS, make, parts, workers=workers))
    found = list(extract(opened, PARAMS, make, parts, workers=workers))
    for one, two in zip(expected, found[:8], strict=True):
        assert one.clips is not None
        assert_same(one, two)
    reasons = ["its segment [1, 1] holds no frames", f"no frames in {tmp_path / 'frames/wave/absent'}"]
    assert reasons == [str(one.reason) for one in found[8:]]


def test_the_counted_annotation_serves_a_run_over_the_kept_folder(tmp_path: Path, film: FilmMaker) -> None:
    """Where the run's annotation has open segments, preprocess writes one that names the frames: the same clips."""
    videos = _videos(tmp_path / "videos", film)
    kept = Stages(tmp_path / "kept", {"subset": "validation"}, {})
    frames_made = kept.made(videos)
    one = kept.store(videos, frames=frames_made)
    counted = tmp_path / "kept/preprocess" / one.outputs["annotation"]
    open_one = tmp_path / "kept/annotate/annotation.json"
    segments = {video.id: (video.first, video.end) for video in read_annotation(counted).videos}
    assert {"a_1": (1, 16), "b_2": (1, 29)} == {name: segments[name] for name in ("a_1", "b_2")}
    assert segments["broken_9"] == (1, OPEN_END)
    assert [video.id for video in read_annotation(open_one).videos] == list(segments)
    for number, annotation in enumerate((counted, open_one)):
        again = Stages(tmp_path / f"again{number}", {"subset": "validation"}, {"annotation": annotation})
        job = again.job("preprocess", {"frames": frames_made.path("frames"), "annotation": annotation})
        assert preprocess.run(job).digest == one.digest
