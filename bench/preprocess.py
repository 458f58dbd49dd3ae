"""`bench preprocess`: our clips a second beside the guide's way and beside JPEG decoding alone, in one run.

Every round runs every contender once, in turn, so that what else the machine does falls on all of them; the medians
over the rounds are compared. It refuses to know how figures are shown.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from msgspec import Struct
from msgspec.structs import replace

from backends.core.messages import InputError, Line, line
from backends.data import pixels
from backends.data.annotation import Video, read_annotation
from backends.data.clip_extraction import cores
from backends.data.clip_store import ClipStore
from backends.data.clip_writer import ClipWriter
from backends.data.data_specs import PreprocessParams, clip_count, clips
from backends.data.jpeg import Decoder
from backends.data.preprocess import header, subset
from backends.data.video_clips import extract, of_frames
from backends.device import clip_kernels
from bench import guide_way

BATCH = 10


class Rate(Struct, frozen=True):
    """One contender's throughput."""

    name: str
    what: Line
    runs: tuple[float, ...]
    """Clips a second of each round; empty: it could not be run."""

    @property
    def clips_per_s(self) -> float | None:
        """Median over the rounds; None where it was not measured."""
        return statistics.median(self.runs) if self.runs else None


class PreprocessBench(Struct, frozen=True):
    """What one run of `bench preprocess` found."""

    cores: int
    workers: int
    kernel: bool
    """The C kernels were built and are in use."""
    videos: int
    clips: int
    frames: str
    """Size of the first frame, and whether the frames are real."""
    rates: tuple[Rate, ...]

    def rate(self, name: str) -> float | None:
        """Median clips a second of `reference`, `ours`, `fallback`, `decode`, `store_read`, `store_checked` or
        `batches`; None where it was not measured."""
        return next(rate.clips_per_s for rate in self.rates if rate.name == name)

    def ratio(self, name: str, to: str) -> float | None:
        """One median over another."""
        one, other = self.rate(name), self.rate(to)
        return one / other if one and other else None

    @property
    def over_reference(self) -> float | None:
        """How many times the guide's way we are (6 or more is asked for)."""
        return self.ratio("ours", "reference")

    @property
    def of_decoding(self) -> float | None:
        """Share of what JPEG decoding alone gives (0.6 or more is asked for)."""
        return self.ratio("ours", "decode")


def bench_preprocess(
    scratch: Path,
    *,
    frames: Path | None = None,
    annotation: Path | None = None,
    rounds: int = 5,
    workers: int = 0,
    most_clips: int = 240,
    say: Callable[[Line], None] = lambda _: None,
) -> PreprocessBench:
    """Measure in `scratch`, on real frames (`frames` with `annotation`) or on frames made here (320x240, some 6 kB).

    Where there are fewer real clips than `most_clips`, their videos are taken again under other names: a run of a
    fifth of a second would measure how the last video leaves a thread alone. `scratch` needs about 2.5 MB a clip and
    is left as it was found. `workers` are threads of ours and processes of the reference's loader; 0: one a core.
    """
    if (frames is None) != (annotation is None):
        raise InputError("real frames need their annotation too", hint="give both, or neither")
    folder = scratch / "bench-preprocess"
    folder.mkdir(parents=True)
    try:
        if frames is None or annotation is None:
            root, videos, kind = folder / "frames", make_frames(folder / "frames", most_clips), "made here"
        else:
            root, videos, kind = folder / "links", _real(annotation, frames, most_clips), "real"
            videos = _again(videos, frames, root, most_clips)
        return _measure(folder, root, videos, kind, rounds, workers or cores(), say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class FrameCost(Struct, frozen=True):
    """What it takes to make a store of frames, and the store."""

    store: Path
    clips: int
    frames: str
    """Size of the first frame, and whether the frames are real."""
    cpu_s: float
    """Processor time a clip, all threads; median of the rounds."""
    clips_per_s: float
    """On all cores, by the wall clock; likewise."""


def frame_cost(
    scratch: Path,
    *,
    frames: Path | None = None,
    annotation: Path | None = None,
    rounds: int = 3,
    most_clips: int = 60,
) -> FrameCost:
    """Make a store of up to so many clips in `scratch/store` some times over, and leave the last one there."""
    params = PreprocessParams()
    if frames is None or annotation is None:
        root, kind = scratch / "frames", "made here"
        videos: Sequence[Video] = make_frames(root, most_clips)
    else:
        root, videos, kind = frames, _real(annotation, frames, most_clips), "real"
    height, width, _ = Decoder().read(str(next(_used(videos[:1], root, params)))).shape
    cpu, rates, clips = [], [], 0
    for _ in range(rounds):
        begun, busy = time.perf_counter(), time.process_time()
        clips = _ours(scratch / "store", root, videos, params, cores())
        cpu.append((time.process_time() - busy) / clips)
        rates.append(clips / (time.perf_counter() - begun))
    size = f"{width}x{height}, {kind}"
    return FrameCost(scratch / "store", clips, size, statistics.median(cpu), statistics.median(rates))


def _measure(
    folder: Path, root: Path, videos: Sequence[Video], kind: str, rounds: int, workers: int, say: Callable[[Line], None]
) -> PreprocessBench:
    params = PreprocessParams()
    height, width, _ = Decoder().read(str(next(_used(videos[:1], root, params)))).shape
    contenders = _contenders(folder, root, videos, params, workers)
    runs: dict[str, list[float]] = {name: [] for name, _, _ in contenders}
    for number in range(rounds):
        for name, what, work in contenders:
            say(line("round {n} of {rounds}: {what}", n=number + 1, rounds=rounds, what=str(what)))
            if work is not None:
                begun = time.perf_counter()
                done = work()
                runs[name].append(done / (time.perf_counter() - begun))
    rates = tuple(Rate(name, what, tuple(runs[name])) for name, what, _ in contenders)
    total = sum(_kept(video, params) for video in videos)
    size = f"{width}x{height}, {kind}"
    return PreprocessBench(cores(), workers, pixels.kernel_in_use(), len(videos), total, size, rates)


def _contenders(
    folder: Path, root: Path, videos: Sequence[Video], params: PreprocessParams, workers: int
) -> tuple[tuple[str, Line, Callable[[], int] | None], ...]:
    bins, store = folder / "bins", folder / "store"
    bins.mkdir()
    plain = [guide_way.Frames(v.id, root / v.label / v.id, v.first, v.end) for v in videos]
    # the reference writes its files and drops them again at once: its disk is not what is compared
    guide = (lambda: guide_way.reference_run(plain, bins, workers)) if find_spec("torch") else None
    return (
        ("reference", line("the guide's way: Pillow, torch, a .bin a video"), guide),
        ("ours", line("frames to clip store"), lambda: _ours(store, root, videos, params, workers)),
        ("fallback", line("frames to clip store, without C kernels"), _fallback(folder, root, videos, params, workers)),
        ("decode", line("reading and decoding alone"), lambda: _decode(videos, root, params, workers)),
        ("store_read", line("clips out of the store, hot, one thread"), lambda: _read(store, check=False)),
        ("store_checked", line("clips with checksums, one thread"), lambda: _read(store, check=True)),
        ("batches", line("checked float32 batches, one thread"), lambda: _batches(store)),
    )


def _ours(store: Path, root: Path, videos: Sequence[Video], params: PreprocessParams, workers: int) -> int:
    shutil.rmtree(store, ignore_errors=True)
    make = partial(of_frames, root)
    with (
        ClipWriter.open_or_resume(store, header(params)) as writer,
        contextlib.closing(extract(videos, params, make, store.with_name("parts"), workers=workers)) as extracted,
    ):
        for made in extracted:
            if made.clips is None:
                raise InputError("{video}: {trouble}", video=made.video.id, trouble=str(made.reason))
            segment = (made.video.first, made.video.end)
            writer.append(made.video.id, made.video.label, segment, made.clips_before_cut, made.clips.data)
        return writer.finish(video.id for video in videos).clip_count


def _fallback(
    folder: Path, root: Path, videos: Sequence[Video], params: PreprocessParams, workers: int
) -> Callable[[], int]:
    def work() -> int:
        with patch.dict(os.environ, {clip_kernels.KERNEL_SWITCH: "0"}):
            return _ours(folder / "fallback", root, videos, params, workers)

    return work


def _decode(videos: Sequence[Video], root: Path, params: PreprocessParams, workers: int) -> int:
    """What `ours` decodes, decoded and dropped, on as many threads: every frame into a buffer of the thread's own."""
    import simplejpeg

    def one(paths: list[Path]) -> None:
        buffer = bytearray(1 << 24)
        for path in paths:
            with path.open("rb") as file:
                simplejpeg.decode_jpeg(file.read(), "RGB", buffer=buffer)

    paths = list(_used(videos, root, params))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, [paths[n::workers] for n in range(workers)]))
    return sum(_kept(video, params) for video in videos)


def _used(videos: Sequence[Video], root: Path, params: PreprocessParams) -> Iterator[Path]:
    for video in videos:
        folder = root / video.label / video.id
        for window in clips(video.first, video.end, params.clip_frames, params.clip_stride, params.max_clips):
            yield from (folder / f"image_{number:05d}.jpg" for number in dict.fromkeys(window))


def _read(store: Path, *, check: bool) -> int:
    import numpy as np

    opened = ClipStore.open(store, check=check)
    clip = clip_kernels.buffer(opened.header.shape, np.uint8)
    passes = 1 + 600 // opened.clip_count
    for _ in range(passes):
        for number in range(opened.clip_count):
            opened.clip(number, clip)
    return passes * opened.clip_count


def _batches(store: Path) -> int:
    import numpy as np

    opened = ClipStore.open(store)
    out = clip_kernels.buffer((BATCH, *opened.header.shape), np.float32)
    passes = 1 + 600 // opened.clip_count
    for _ in range(passes):
        for first in range(0, opened.clip_count, BATCH):
            opened.batch(range(first, min(first + BATCH, opened.clip_count)), out)
    return passes * opened.clip_count


def _kept(video: Video, params: PreprocessParams) -> int:
    return min(clip_count(video.first, video.end, params.clip_frames, params.clip_stride), params.max_clips)


def _real(annotation: Path, root: Path, most_clips: int) -> list[Video]:
    """Videos of the annotation that have frames, up to some number of clips."""
    params, chosen, total = PreprocessParams(), [], 0
    for video in subset(read_annotation(annotation), annotation, params.subset):
        if total < most_clips and _kept(video, params) and (root / video.label / video.id).is_dir():
            chosen.append(video)
            total += _kept(video, params)
    if not chosen:
        raise InputError(
            "{root}: no frames of {path}", hint="give both as in r3d.toml", root=str(root), path=str(annotation)
        )
    return chosen


def _again(videos: Sequence[Video], frames: Path, root: Path, most_clips: int) -> list[Video]:
    """The videos, over and over until there are so many clips, as links in `root` to their frames."""
    params, taken, total = PreprocessParams(), list[Video](), 0
    for turn, video in ((turn, video) for turn in count(1) for video in videos):
        if total >= most_clips:
            return taken
        name = f"{video.id}_{turn}"
        folder = root / video.label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to((frames / video.label / video.id).resolve(), target_is_directory=True)
        taken.append(replace(video, id=name))
        total += _kept(video, params)
    return taken


def make_frames(root: Path, clips: int, seed: int = 0) -> list[Video]:
    """Videos of five clips each, `clips` clips or a few more in all: a drifting texture of 320x240, as JPEG files."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(seed)
    videos = []
    for number in range(-(-clips // 5)):
        video = Video(f"made_{number:03d}", "drift", "validation", 1, 81)
        folder = root / video.label / video.id
        folder.mkdir(parents=True)
        # coarse blobs with some grain compress to about what ffmpeg makes of HMDB51 (5.7 kB a frame)
        coarse: Any = Image.fromarray(random.integers(0, 256, (9, 14, 3)).astype(np.uint8))
        blobs = np.asarray(coarse.resize((420, 270), Image.Resampling.BICUBIC)).astype(np.int16)
        texture = np.clip(blobs + random.normal(0, 3, blobs.shape), 0, 255).astype(np.uint8)
        for frame in range(video.first, video.end):
            cut = texture[frame // 3 : frame // 3 + 240, frame : frame + 320]
            Image.fromarray(cut).save(folder / f"image_{frame:05d}.jpg", quality=60)
        videos.append(video)
    return videos
