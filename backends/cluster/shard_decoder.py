"""Videos of a shard to a small clip store on a server, by decoding processes that live as long as the server does.

`server_process` runs it in a thread of its own, so that the next shard is decoded while one is computed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
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
from backends.data.video_clips import read_video
from backends.device.clip_format import ClipHeader

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

    def __init__(self, params: PreprocessParams, header: ClipHeader, folder: Path, workers: int) -> None:
        self._params, self._header, self._folder = params, header, folder
        self._workers = workers or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

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

    def close(self) -> None:
        """End the processes without waiting for what they decode."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _each(self, videos: Sequence[ShardVideo]) -> Iterator[Extracted]:
        """In order. After a crash, which takes all processes along, each video that had none yet is decoded alone."""
        done = 0
        try:
            futures = [self._submit(video) for video in videos]
            for future in futures:
                made = future.result()
                done += 1
                yield made
        except BrokenProcessPool:
            self._pool = None
            for video in videos[done:]:
                yield self._alone(video)

    def _alone(self, video: ShardVideo) -> Extracted:
        try:
            return self._submit(video).result()
        except BrokenProcessPool:
            self._pool = None
            return Extracted(video.video, None, 0, CRASHED, is_temporary=True)

    def _submit(self, video: ShardVideo) -> Future[Extracted]:
        if self._pool is None:
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, die_with_parent, (os.getpid(),))
        return self._pool.submit(read_video, video.path, video.video, self._params)


def _result(made: Extracted, checksums: Iterator[int]) -> VideoResult:
    if made.clips is None:
        return VideoResult(made.video, made.clips_before_cut, (), made.reason, made.is_temporary)
    crc = tuple(next(checksums) for _ in range(len(made.clips)))
    return VideoResult(made.video, made.clips_before_cut, crc)
