"""The guide's own files: one `.bin` of float32 rows a video, and `hmdb51.info`. It refuses to know clips' origin."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.errors import StageError
from backends.core.files import write_whole
from backends.core.messages import N_, os_reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def bin_path(folder: Path, video_id: str) -> Path:
    """Where a video's `.bin` is."""
    return folder / f"{video_id}.bin"


def write_bin(path: Path, rows: NDArray[np.float32]) -> None:
    """Write float32 (rows, 3, 16, 112, 112) as raw little-endian bytes; whole or not at all.

    A file that holds these very bytes already is not written again.
    """
    data = rows.astype("<f4", copy=False).data.cast("B")
    if _holds(path, data):
        return
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        reason = os_reason(error)
        hint = N_("make room there and run again: what is done is kept")
        raise StageError("{path}: {reason}", hint=hint, path=str(path), reason=reason) from error


def write_info(path: Path, videos: Iterable[tuple[str, int]]) -> None:
    """Write `hmdb51.info`: a line `<video id> <clips before the cut>` for each video, in annotation order."""
    write_whole(path, "".join(f"{name} {clips}\n" for name, clips in videos).encode())


def _holds(path: Path, data: memoryview) -> bool:
    """Whether the file has these bytes already."""
    try:
        if path.stat().st_size != len(data):
            return False
        with path.open("rb") as file:
            return all(file.read(1 << 20) == data[place : place + (1 << 20)] for place in range(0, len(data), 1 << 20))
    except OSError:
        return False
