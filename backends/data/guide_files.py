"""The guide's own files: a `.bin` of float32 clips a video, and `hmdb51.info`; for preprocess and `step preprocess`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.files import sync_folder, write_whole
from backends.core.messages import N_, StageError
from backends.data.clip_extraction import cores
from backends.data.clip_store import ClipIndex, ClipStore, VideoClips
from backends.data.data_specs import PreprocessParams
from backends.data.video_pool import Check, in_order
from backends.device import clip_kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def write_info(path: Path, videos: Iterable[tuple[str, int]]) -> None:
    """Write `hmdb51.info`: a line `<video id> <clips before the cut>` for each video, in annotation order."""
    write_whole(path, "".join(f"{name} {clips}\n" for name, clips in videos).encode())


def write_bin(path: Path, clips: NDArray[np.uint8], params: PreprocessParams) -> None:
    """Write a video's `.bin`: float32 (most clips, 3, 16, 112, 112), raw little-endian, of its uint8 clips; clips that
    it does not have are zeros, and a hole in the file. OSError where it cannot be written.

    A file appears under its name whole, and one that holds the same bytes is left as it is: that is looked at byte by
    byte, so a file that a power loss left empty is written again.
    """
    row, levels = _row(params), clip_kernels.levels(params.mean, params.std)
    size = params.max_clips * row.nbytes
    if path.is_file() and path.stat().st_size == size and _holds(path, clips, params):
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            for clip in clips:
                clip_kernels.normalise(clip, levels, row)
                file.write(row.data)
            file.truncate(size)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def bins_of_store(
    store: Path, index: ClipIndex, folder: Path, params: PreprocessParams, workers: int, check: Check
) -> Iterator[VideoClips]:
    """Write the `.bin` of each of a store's videos by processes, and nothing else in `folder`; each once it is there.

    StageError where a process was killed; OSError of the disk.
    """
    make, kept = partial(_bin_of_store, store, folder, params), {f"{video.id}.bin" for video in index.videos}
    pool = contextlib.closing(in_order(index.videos, workers or cores(), make, check))
    with durable(folder) as sync, pool as written:
        for video, size in written:
            if size is None:
                hint = N_("run again: what is done is kept")
                raise StageError("{video}: the process that wrote it was killed", hint=hint, video=video.id)
            sync(f"{video.id}.bin")
            yield video
        for path in folder.iterdir():
            if path.name not in kept:
                path.unlink()


def _bin_of_store(store: Path, folder: Path, params: PreprocessParams, video: VideoClips, check: Check) -> int:
    """In a process of the pool; clips written."""
    import numpy as np

    check()
    opened = _opened(store)
    clips = opened.batch(video.numbers, np.empty((video.clips, *opened.header.shape), np.uint8))
    write_bin(folder / f"{video.id}.bin", clips, params)
    return len(clips)


@lru_cache(maxsize=1)
def _opened(store: Path) -> ClipStore:
    """One a process."""
    return ClipStore.open(store)


@contextlib.contextmanager
def durable(folder: Path) -> Iterator[Callable[[str], None]]:
    """A function to call with each file of the folder that is there: at the end all of them survive a power loss.

    They are synced by threads, beside whatever makes the next: one sync of all at the end took a quarter of the time.
    """
    pool = ThreadPoolExecutor(4, "sync")
    syncs: list[Future[None]] = []
    try:
        yield lambda name: syncs.append(pool.submit(_sync, folder / name))
        for sync in syncs:
            sync.result()
        sync_folder(folder)
    finally:
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _row(params: PreprocessParams) -> NDArray[np.float32]:
    """This process's buffer of one clip."""
    import numpy as np

    return np.empty((3, params.clip_frames, params.size, params.size), np.float32)


def _holds(path: Path, clips: NDArray[np.uint8], params: PreprocessParams) -> bool:
    row, levels = _row(params), clip_kernels.levels(params.mean, params.std)
    with path.open("rb") as file:
        for clip in clips:
            clip_kernels.normalise(clip, levels, row)
            if file.read(row.nbytes) != row.data.cast("B"):
                return False
        return not any(any(file.read(row.nbytes)) for _ in range(params.max_clips - len(clips)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
