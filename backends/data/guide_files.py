"""The guide's own files: a `.bin` of float32 clips a video, and `hmdb51.info`; for preprocess and `step preprocess`."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from backends.core.files import sync_folder, write_whole
from backends.core.messages import N_, StageError, os_reason
from backends.data.clip_extraction import cores
from backends.data.data_specs import PreprocessParams
from backends.device import clip_kernels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_THREADS = 3
"""Threads that normalise and write, at least; one does it for 60 videos a second."""


def write_info(path: Path, videos: Iterable[tuple[str, int]]) -> None:
    """Write `hmdb51.info`: a line `<video id> <clips before the cut>` for each video, in annotation order."""
    write_whole(path, "".join(f"{name} {clips}\n" for name, clips in videos).encode())


class BinWriter:
    """Writes `<video>.bin` on threads of its own, beside whatever makes the clips; `finish` makes all durable at once.

    A file is float32 (most clips, 3, 16, 112, 112), raw little-endian; clips that a video does not have are zeros, and
    a hole in the file. A file appears under its name whole, and one that holds the same bytes is left as it is: that is
    looked at byte by byte, so a file that a power loss left empty is written again.
    """

    def __init__(self, folder: Path, params: PreprocessParams) -> None:
        self._folder, self._levels = folder, clip_kernels.levels(params.mean, params.std)
        self._shape = 3, params.clip_frames, params.size, params.size
        self._most = params.max_clips
        self._own = threading.local()
        self._threads = max(LEAST_THREADS, cores() // 4)
        self._pool = ThreadPoolExecutor(self._threads, "bins")
        self._waiting: deque[Future[Path | None]] = deque()
        self._new: list[Path] = []

    def write(self, video_id: str, clips: NDArray[np.uint8]) -> None:
        """One video's clips, uint8 (at most the most clips, 3, 16, 112, 112), which must not change afterwards.

        StageError where an earlier file could not be written.
        """
        while len(self._waiting) >= 2 * self._threads:
            self._collect()
        path = self._folder / f"{video_id}.bin"
        self._waiting.append(self._pool.submit(self._write, path, clips))

    def finish(self) -> None:
        """Wait until all is written, and make it durable. StageError as of `write`."""
        while self._waiting:
            self._collect()
        for _ in self._pool.map(_sync, self._new):
            pass
        sync_folder(self._folder)

    def __enter__(self) -> BinWriter:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _collect(self) -> None:
        if (path := self._waiting.popleft().result()) is not None:
            self._new.append(path)

    def _row(self) -> NDArray[np.float32]:
        """This thread's buffer of one clip."""
        import numpy as np

        if not hasattr(self._own, "row"):
            self._own.row = np.empty(self._shape, np.float32)
        row: NDArray[np.float32] = self._own.row
        return row

    def _write(self, path: Path, clips: NDArray[np.uint8]) -> Path | None:
        """The path where it was written, None where it holds these bytes already."""
        row = self._row()
        size = self._most * row.nbytes
        part = path.with_name(f".{path.name}.part")
        try:
            if path.is_file() and path.stat().st_size == size and self._holds(path, clips, row):
                return None
            with part.open("wb") as file:
                for clip in clips:
                    clip_kernels.normalise(clip, self._levels, row)
                    file.write(row.data)
                file.truncate(size)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            reason, hint = os_reason(error), N_("make room there and run again: what is done is kept")
            raise StageError("{path}: {reason}", hint=hint, path=str(path), reason=reason) from error
        return path

    def _holds(self, path: Path, clips: NDArray[np.uint8], row: NDArray[np.float32]) -> bool:
        with path.open("rb") as file:
            for clip in clips:
                clip_kernels.normalise(clip, self._levels, row)
                if file.read(row.nbytes) != row.data.cast("B"):
                    return False
            return not any(any(file.read(row.nbytes)) for _ in range(self._most - len(clips)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
