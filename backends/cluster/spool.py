"""Answers of servers on the head's disk, in files that are whole or not there: they count, and a resume finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from backends.cluster.shard_protocol import ShardAnswer, VideoResult, WireError, WireReader, to_frame
from backends.core.files import write_whole
from backends.data.annotation import OPEN_END, Video
from backends.data.data_specs import PreprocessParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Spool:
    """The answers in one folder. A file that is torn or damaged is passed over: its videos are computed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: dict[str, VideoResult] = {}
        """By video id."""
        self.clips = 0
        self._places: dict[str, tuple[Path, int]] = {}
        """File, and first row in it, of each video with clips."""
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.shard")):
            self._count = max(self._count, int(path.stem) + 1 if path.stem.isdigit() else 0)
            if (found := _read(path)) is not None:
                self._take_in(path, found[0])

    def keep(self, answer: ShardAnswer, rows: bytes) -> None:
        """Make an answer durable; it counts from here on. Raises OSError."""
        path = self.folder / f"{self._count:08d}.shard"
        write_whole(path, to_frame(answer, rows))
        self._count += 1
        self._take_in(path, answer)

    def scores(self, results: Iterable[VideoResult]) -> Iterator[tuple[VideoResult, NDArray[np.float32]]]:
        """Each result with its rows (clips, classes). Videos of one file that follow each other read it once."""
        opened, rows = Path(), None
        for result in results:
            path, first = self._places[result.video.id]
            if path != opened or rows is None:
                opened, rows = path, _rows(path)
            yield result, rows[first : first + len(result.crc)]

    def _take_in(self, path: Path, answer: ShardAnswer) -> None:
        first = 0
        for result in answer.results:
            if result.video.id not in self.results:
                self.clips += len(result.crc)
            self.results[result.video.id] = result
            self._places[result.video.id] = (path, first)
            first += len(result.crc)


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


def _rows(path: Path) -> Any:
    import numpy as np

    found = _read(path)
    if found is None:
        raise OSError(5, "damaged", str(path))
    return np.frombuffer(found[1], "<f4").reshape(-1, max(1, found[0].classes))
