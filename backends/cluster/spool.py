"""Answers of servers on the head's disk, in files that are whole or not there: they count, and a resume finds them."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from backends.cluster.shard_protocol import ShardAnswer, VideoResult, WireError, WireReader, to_frame
from backends.core.files import write_whole
from backends.data.annotation import OPEN_END, Video
from backends.data.data_specs import PreprocessParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_PLACE_BITS = 32


class Spool:
    """The answers in one folder. A file that is torn or damaged is passed over: its videos are computed again.

    So are videos that an earlier attempt skipped for a reason that may have passed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips = 0
        self._places: dict[str, int] = {}
        """Number of the file and place in it, of each video: their results would take 0.8 kB each."""
        self._last: tuple[int, ShardAnswer, tuple[int, ...], NDArray[np.float32]] | None = None
        """The file that was read last: number, answer, first row of each result, rows."""
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.shard")):
            if path.stem.isdecimal() and (found := _read(path)) is not None:
                self._take_in(int(path.stem), [None if one.is_temporary else one for one in found[0].results])
            self._count = max(self._count, int(path.stem) + 1 if path.stem.isdecimal() else 0)

    def __contains__(self, video: object) -> bool:
        return video in self._places

    def __len__(self) -> int:
        """Videos that have a result."""
        return len(self._places)

    def keep(self, answer: ShardAnswer, rows: bytes) -> None:
        """Make an answer durable; it counts from here on. Raises OSError."""
        write_whole(self._path(self._count), to_frame(answer, rows))
        self._take_in(self._count, answer.results)
        self._count += 1

    def result(self, video: str) -> VideoResult | None:
        """Of a video by its id. OSError where its file was damaged meanwhile. Quick for videos in their order."""
        return None if video not in self._places else self._opened(video)[0]

    def scores(self, video: str) -> NDArray[np.float32]:
        """The rows of a video that has a result, (clips, classes)."""
        return self._opened(video)[1]

    def _opened(self, video: str) -> tuple[VideoResult, NDArray[np.float32]]:
        import numpy as np

        number, place = divmod(self._places[video], 1 << _PLACE_BITS)
        if self._last is None or self._last[0] != number:
            if (found := _read(self._path(number))) is None:
                raise OSError(errno.EIO, "damaged", str(self._path(number)))
            answer, rows = found[0], np.frombuffer(found[1], "<f4").reshape(-1, max(1, found[0].classes))
            firsts = accumulate((len(one.crc) for one in answer.results), initial=0)
            self._last = number, answer, tuple(firsts), rows
        _, answer, first, rows = self._last
        return answer.results[place], rows[first[place] : first[place + 1]]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.shard"

    def _take_in(self, number: int, results: Sequence[VideoResult | None]) -> None:
        for place, result in enumerate(results):
            if result is not None:
                self.clips += 0 if result.video.id in self._places else len(result.crc)
                self._places[result.video.id] = number << _PLACE_BITS | place


def check_answer(answer: ShardAnswer, rows: bytes) -> None:
    """WireError where the rows are not those that the results announce."""
    clips = sum(len(result.crc) for result in answer.results)
    if len(rows) != clips * answer.classes * 4 or not 0 <= answer.classes <= 1_000_000:
        raise WireError(f"{len(rows)} bytes for {clips} rows of {answer.classes} classes")


def check_results(answer: ShardAnswer, videos: Sequence[Video], params: PreprocessParams) -> None:
    """WireError where an answer is about other videos, or has more clips of one than are taken."""
    given = [replace(one.video, end=OPEN_END) if video.is_open else one.video
             for one, video in zip(answer.results, videos, strict=False)]  # fmt: skip
    if len(answer.results) != len(videos) or given != list(videos):
        raise WireError("an answer about other videos")
    if any(len(one.crc) > params.max_clips for one in answer.results):
        raise WireError("more clips than a video has")


def _read(path: Path) -> tuple[ShardAnswer, bytes] | None:
    try:
        found = list(WireReader().feed(path.read_bytes()))
        message, rows = found[0]
        if len(found) != 1 or not isinstance(message, ShardAnswer):
            return None
        check_answer(message, rows)
    except (OSError, WireError, IndexError):
        return None
    return message, rows
