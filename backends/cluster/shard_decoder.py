"""Videos of a shard, or folders of frames, to a small clip store, by processes that live as long as the server.

`server_process` runs it in a thread of its own, so that the next shard is decoded while one is computed.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from msgspec import Struct

from backends.cluster.shard_protocol import ShardVideo, VideoResult
from backends.core.messages import line
from backends.core.processes import die_with_parent
from backends.data.clip_extraction import Extracted
from backends.data.clip_store import read_index
from backends.data.clip_writer import ClipWriter
from backends.data.data_specs import PreprocessParams
from backends.data.video_clips import clips_of_frames, read_video
from backends.device.clip_format import ClipHeader

Timed = tuple[Extracted, tuple[float, float]]
CRASHED = line("the process that decoded it was killed, or crashed")


class DecodedShard(Struct, frozen=True):
    """A shard's clips: a store of them, and what each video gave."""

    lease: int
    store: Path
    results: tuple[VideoResult, ...]

    @property
    def clips(self) -> int:
        return sum(len(result.crc) for result in self.results)


class ShardDecoder:
    """Decodes shard after shard with `workers` processes; 0: one a core. One thread uses it."""

    def __init__(
        self, params: PreprocessParams, header: ClipHeader, folder: Path, workers: int, is_of_frames: bool
    ) -> None:
        self._read = clips_of_frames if is_of_frames else read_video
        self._params, self._header, self._folder = params, header, folder
        self._workers = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None
        self._times = (0.0, 0.0)

    def decode(self, lease: int, videos: Sequence[ShardVideo]) -> DecodedShard:
        """The store is `folder/<lease>`; a video that gives no clips has its reason in the results."""
        store = self._folder / str(lease)
        shutil.rmtree(store, ignore_errors=True)
        found: list[Extracted] = []
        with ClipWriter.open_or_resume(store, self._header) as writer:
            for made in self._each(videos):
                found.append(made)
                if made.clips is not None:
                    video = made.video
                    segment = (video.first, video.end)
                    writer.append(video.id, video.label, segment, made.clips_before_cut, made.clips.data)
            writer.finish(made.video.id for made in found)
        checksums = iter(read_index(store, crc=True).crc) if any(one.clips is not None for one in found) else iter(())
        return DecodedShard(lease, store, tuple(_result(made, checksums) for made in found))

    def waiting_share(self) -> float | None:
        """Share of the decoders' time since the last call that went into waiting for the videos' storage."""
        seconds, waited = self._times
        self._times = (0.0, 0.0)
        return waited / seconds if seconds else None

    def _add(self, times: tuple[float, float]) -> None:
        self._times = (self._times[0] + times[0], self._times[1] + times[1])

    def _each(self, videos: Sequence[ShardVideo]) -> Iterator[Extracted]:
        """In order. After a crash, which takes all processes along, each video that had none yet is decoded alone."""
        done = 0
        try:
            futures = [self._submit(video) for video in videos]
            for future in futures:
                made, waited = future.result()
                self._add(waited)
                done += 1
                yield made
        except BrokenProcessPool:
            self._pool = None
            for video in videos[done:]:
                yield self._alone(video)

    def _alone(self, video: ShardVideo) -> Extracted:
        try:
            return self._submit(video).result()[0]
        except BrokenProcessPool:
            self._pool = None
            return Extracted(video.video, None, 0, CRASHED, is_temporary=True)

    def _submit(self, video: ShardVideo) -> Future[Timed]:
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, die_with_parent, (os.getpid(),))
        return self._pool.submit(_timed, self._read, video, self._params)


def _timed(read: Callable[..., Extracted], video: ShardVideo, params: PreprocessParams) -> Timed:
    """Its clips, and seconds of its decoding in all and without a core though none was missing: reading, mostly."""
    begun, before = time.monotonic(), _on_core_s()
    made = read(video.path, video.video, params)
    seconds = time.monotonic() - begun
    return made, (seconds, max(0.0, seconds - (_on_core_s() - before)))


def _on_core_s() -> float:
    """Seconds that this thread has computed or waited for a core (Linux; elsewhere computed alone)."""
    try:
        return sum(map(int, Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[:2])) / 1e9
    except (OSError, ValueError):
        return time.thread_time()


def _result(made: Extracted, checksums: Iterator[int]) -> VideoResult:
    if made.clips is None:
        return VideoResult(made.video, made.clips_before_cut, (), made.reason, made.is_temporary, made.missing)
    crc = tuple(next(checksums) for _ in range(len(made.clips)))
    return VideoResult(made.video, made.clips_before_cut, crc)
