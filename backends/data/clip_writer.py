"""The clip store, write side: videos are appended one by one, and resumed after a kill, a crash or a full disk.

A video's clips are written first and its index line after them; both are in the kernel's hands at once, and on the
disk after `sync`. Nothing found on resuming is trusted but what matches its checksum: a torn line ends the index
there, a damaged video is forgotten and done again in its old place. Preprocess writes by it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from types import TracebackType

import msgspec
from msgspec import Struct

from backends.core.files import FULL_HINT, is_full, sync_folder, write_all, write_whole
from backends.core.messages import StageError
from backends.data.clip_store import ClipIndex, VideoClips, read_index, video_of
from backends.device import clip_kernels
from backends.device.clip_format import (
    INDEX,
    ClipHeader,
    checksums,
    header_line,
    parse_header,
    read_video,
    seal,
    shard_path,
    unseal,
    video_line,
)

HANDS = 4
"""Threads that write clips; one writes some 6,000 a second."""


class _Written(Struct, frozen=True):
    """A video of the store and CRC-32 of each of its clips."""

    video: VideoClips
    crc: Sequence[int]


class ClipWriter:
    """Appends videos to a store. Use `open_or_resume`; one writer a store at a time, from one thread."""

    def __init__(self, folder: Path, header: ClipHeader) -> None:
        self.folder = folder
        self.header = header
        self.damaged: tuple[str, ...] = ()
        """Videos that an earlier attempt wrote and that did not match their checksums: to be done again."""
        self._videos: dict[str, _Written] = {}
        """By id, in the order of the index."""
        self._free: dict[str, VideoClips] = {}
        self._end = 0
        self._shard = -1
        self._descriptor = -1
        self._index = -1
        self._hands = ThreadPoolExecutor(HANDS, "clips")

    @classmethod
    def open_or_resume(
        cls, folder: Path, header: ClipHeader, checked: Callable[[int, int], None] | None = None
    ) -> ClipWriter:
        """Open the store in `folder` for writing, keeping every video of an earlier attempt that is whole.

        `checked(done, total)` is called after each video whose checksums were compared; what it raises goes through.
        A store of another kind (shape, mean, std) is emptied.
        """
        folder.mkdir(parents=True, exist_ok=True)
        writer = cls(folder, header)
        writer._verify(writer._found(), checked)
        with _disk(folder):
            writer._cut()  # first: what a full disk left half written makes room for the index
            writer._rewrite(writer._videos)
            writer._index = os.open(folder / INDEX, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        return writer

    def get(self, video_id: str) -> VideoClips | None:
        """The video's place where the store has it whole."""
        found = self._videos.get(video_id)
        return found.video if found else None

    @property
    def empty(self) -> bool:
        """Whether the store holds no video yet."""
        return not self._videos

    def append(
        self, video_id: str, label: str, segment: tuple[int, int], clips_before_cut: int, clips: memoryview
    ) -> VideoClips:
        """Add a video; `clips` are the bytes of its uint8 clips, C order, clip after clip.

        StageError where the disk is full; ValueError where the bytes are no whole number of clips or the video is
        in the store already.
        """
        data = clips.cast("B")
        count, rest = divmod(len(data), self.header.clip_bytes)
        if rest or video_id in self._videos:
            raise ValueError(f"{video_id}: {len(data)} bytes, or already there")
        old = self._free.pop(video_id, None)
        first = old.first if old is not None and old.clips == count else self._end
        video = VideoClips(video_id, label, first, count, clips_before_cut, segment)
        pieces = [data[n * self.header.clip_bytes : (n + 1) * self.header.clip_bytes] for n in range(count)]
        with _disk(self.folder):
            crc = [crc for shard in self._by_shard(video.numbers, pieces) for crc in self._write_clips(*shard)]
            write_all(self._index, video_line(video, crc))
        self._videos[video_id] = _Written(video, array("I", crc))
        self._end = max(self._end, first + count)
        return video

    def sync(self) -> None:
        """Make everything appended so far survive a power loss."""
        with _disk(self.folder):
            if self._descriptor >= 0:
                os.fdatasync(self._descriptor)
            os.fdatasync(self._index)

    def finish(self, order: Iterable[str]) -> ClipIndex:
        """Make the store whole: exactly the videos of `order` that it has, in that order, numbered without gaps."""
        wanted = [name for name in order if name in self._videos]
        with _disk(self.folder):
            self._close_up(wanted)
            self.sync()
            self._use(-1)
            self._cut()
            os.close(self._index)
            self._index = -1
            self._rewrite(wanted, whole=True)
        return read_index(self.folder)

    def close(self) -> None:
        """Let go of the files; what was appended stays, to be resumed."""
        self._hands.shutdown()
        for descriptor in (self._descriptor, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._index = self._shard = -1

    def __enter__(self) -> ClipWriter:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _found(self) -> dict[str, _Written]:
        """What the index of an earlier attempt says, up to its first torn or damaged line; the last word on each."""
        found: dict[str, _Written] = {}
        path = self.folder / INDEX
        if not path.exists():
            return found
        with open(path, "rb") as lines:
            header = parse_header(unseal(lines.readline(1 << 16)))
            if header is None or header.pixels != self.header.pixels:
                self._empty()
                return found
            for text in lines:
                parsed = read_video(text)
                if parsed is None:
                    break
                found[parsed.id] = _Written(video_of(parsed), checksums(parsed.crc))
        return found

    def _verify(self, found: dict[str, _Written], checked: Callable[[int, int], None] | None) -> None:
        damaged = []
        for done, (name, one) in enumerate(found.items(), start=1):
            video = one.video
            if all(clip_kernels.crc32(self._read_clip(number)) == one.crc[n] for n, number in enumerate(video.numbers)):
                self._videos[name] = one
                self._end = max(self._end, video.first + video.clips)
            else:
                damaged.append(video)
            if checked is not None:
                checked(done, len(found))
        self._use(-1)
        self._free = {video.id: video for video in damaged if video.first + video.clips <= self._end}
        self.damaged = tuple(video.id for video in damaged)

    def _empty(self) -> None:
        for path in (*self.folder.glob("clips-*.u8"), self.folder / INDEX):
            path.unlink()

    def _use(self, shard: int, *, create: bool = True) -> int:
        """The descriptor of a shard; the one used before is made durable and closed. -1: none."""
        if shard != self._shard:
            if self._descriptor >= 0:
                os.fdatasync(self._descriptor)
                os.close(self._descriptor)
            self._descriptor, self._shard = -1, -1
            if shard >= 0:
                path = shard_path(self.folder, shard)
                new = create and not path.exists()
                flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
                self._descriptor = os.open(path, flags, 0o644)
                self._shard = shard
                if new:
                    sync_folder(self.folder)  # the file's bytes are synced later; its name is the folder's
        return self._descriptor

    def _by_shard(
        self, numbers: range, pieces: Sequence[memoryview]
    ) -> Iterator[tuple[int, list[int], list[memoryview]]]:
        """Shard, places in it in bytes, and clips."""
        size = self.header.shard_clips
        for shard, group in groupby(zip(numbers, pieces, strict=True), lambda one: one[0] // size):
            clips = list(group)
            yield shard, [number % size * self.header.clip_bytes for number, _ in clips], [piece for _, piece in clips]

    def _write_clips(self, shard: int, places: Sequence[int], pieces: Sequence[memoryview]) -> Iterator[int]:
        """CRC-32 of each. On several threads, or one core would be what the decoders on all others wait for."""
        descriptor = self._use(shard)
        if os.fstat(descriptor).st_nlink > 1:  # borrowed: the other store keeps its bytes
            self._own(shard_path(self.folder, shard))
            descriptor = self._use(shard)

        def write(place: int, piece: memoryview) -> int:
            write_all(descriptor, piece, place)
            return clip_kernels.crc32(piece)

        return self._hands.map(write, places, pieces)

    def _own(self, path: Path) -> None:
        """Make a shard that is shared with another store a file of its own."""
        self._use(-1)
        part = path.with_name(f".{path.name}.part")
        shutil.copyfile(path, part)
        part.replace(path)

    def _read_clip(self, number: int) -> bytes:
        """The clip's bytes; fewer where the file is too short, none where it is missing or cannot be read."""
        shard, place = divmod(number, self.header.shard_clips)
        try:
            return os.pread(self._use(shard, create=False), self.header.clip_bytes, place * self.header.clip_bytes)
        except OSError:
            return b""

    def _close_up(self, wanted: Iterable[str]) -> None:
        """Move clips down into places that dropped or damaged videos left free.

        A crash in the middle leaves clips that do not match their lines; resuming redoes those videos.
        """
        self._end = 0
        for name in sorted(wanted, key=lambda name: self._videos[name].video.first):
            old = self._videos[name]
            numbers = old.video.numbers
            if numbers.start != self._end:
                for number, to in zip(numbers, range(self._end, self._end + len(numbers)), strict=True):
                    for shard in self._by_shard(range(to, to + 1), (memoryview(self._read_clip(number)),)):
                        list(self._write_clips(*shard))
                self._videos[name] = _Written(msgspec.structs.replace(old.video, first=self._end), old.crc)
            self._end += len(numbers)

    def _cut(self) -> None:
        """Give back what stands in the shards beyond the last clip."""
        last, place = divmod(self._end, self.header.shard_clips)
        for path in self.folder.glob("clips-*.u8"):
            shard = int(path.stem.removeprefix("clips-"))
            if shard > last or (shard == last and place == 0):
                path.unlink()
            elif shard == last and path.stat().st_size > place * self.header.clip_bytes:
                if path.stat().st_nlink > 1:
                    self._own(path)
                os.truncate(path, place * self.header.clip_bytes)
        for path in self.folder.glob(".clips-*.part"):
            path.unlink()

    def _rewrite(self, names: Iterable[str], *, whole: bool = False) -> None:
        """Write the index again with those videos; after a crash it is the old one or the new one."""
        rows = ((self._videos[name].video, self._videos[name].crc) for name in names)
        write_index(self.folder, self.header, rows, whole=whole)


def write_index(
    folder: Path, header: ClipHeader, videos: Iterable[tuple[VideoClips, Sequence[int]]], *, whole: bool
) -> None:
    """Write the index of a store: each video with the CRC-32 of its clips; `whole`: it is finished."""
    digest, part = hashlib.sha256(), folder / f".{INDEX}.part"
    count = clips = 0
    with open(part, "wb") as file:
        text = header_line(header)
        file.write(text)
        digest.update(text)
        for video, crc in videos:
            text = video_line(video, crc)
            file.write(text)
            digest.update(text)
            count, clips = count + 1, clips + video.clips
        if whole:
            file.write(seal({"end": [count, clips], "digest": digest.hexdigest()}))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / INDEX)
    sync_folder(folder)


def borrow(store: Path, folder: Path) -> bool:
    """Begin a store in `folder` with the clips of a finished one, by links to its files; whether that could be done.

    Nothing is done where `folder` holds a store already, or the files cannot be linked (another disk, a file system
    without links). Neither store writes into what both hold: `ClipWriter` makes a shard its own first.
    """
    if (folder / INDEX).exists() or not (store / INDEX).is_file():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path in store.glob("clips-*.u8"):
            (folder / path.name).unlink(missing_ok=True)
            os.link(path, folder / path.name)
        write_whole(folder / INDEX, (store / INDEX).read_bytes())  # last: without it nothing here counts
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turns a full disk into one line that says what to do; other errors of the disk go through as they are."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise StageError("{folder}: the disk is full", hint=FULL_HINT, folder=str(folder)) from error
