"""The clip store: read as written, taken up again after any cut, never silent about damage."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.core.messages import InputError, StageError
from backends.data import clip_writer
from backends.data.clip_store import ClipStore, VideoClips, read_index
from backends.data.clip_writer import ClipWriter
from backends.device.clip_format import INDEX, ClipHeader, shard_path

SMALL = ClipHeader(frames=2, height=4, width=5, shard_clips=4)
COUNTS = {"a": 3, "b": 1, "été (c)!": 10, "d": 2, "e": 4}
"""Clips a video: 20 in all, over five shards of four; one video spans four of them."""


def pixels(name: str, count: int, header: ClipHeader = SMALL) -> np.ndarray:
    """Clips that tell which video they belong to."""
    return np.random.default_rng(len(name) * 1000 + ord(name[0])).integers(0, 256, (count, *header.shape), np.uint8)


def append(writer: ClipWriter, name: str) -> VideoClips:
    """Add one of the videos of COUNTS."""
    return writer.append(name, "wave", (1, 40), COUNTS[name] + 1, pixels(name, COUNTS[name]).data)


def write(folder: Path, names: list[str] | None = None, *, finish: bool = True) -> None:
    """A store of these videos, or of all."""
    with ClipWriter.open_or_resume(folder, SMALL) as writer:
        for name in names or COUNTS:
            if writer.get(name) is None:
                append(writer, name)
        if finish:
            writer.finish(COUNTS)


def _damaged(store: ClipStore) -> list[str]:
    """Videos of which a clip does not match its checksum."""

    def is_damaged(number: int) -> bool:
        try:
            store.clip(number)
        except StageError:
            return True
        return False

    return [video.id for video in store.videos if any(map(is_damaged, video.numbers))]


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a store."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, bytes]:
    """The files of a store written without any trouble."""
    write(tmp_path / "clean")
    return content(tmp_path / "clean")


def test_clips_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Every clip of every video is read back under its number, with the video's name, label, segment and counts."""
    write(tmp_path)
    store = ClipStore.open(tmp_path)
    assert (20, list(COUNTS)) == (store.clip_count, [video.id for video in store.videos])
    assert VideoClips("été (c)!", "wave", 4, 10, 11, (1, 40)) == store.videos[2]
    for video in store.videos:
        for clip, number in zip(pixels(video.id, video.clips), video.numbers, strict=True):
            assert np.array_equal(clip, store.clip(number))


def test_the_index_is_read_without_numpy(tmp_path: Path) -> None:
    """Names and counts cost no heavy import."""
    write(tmp_path)
    code = (
        "import sys; from pathlib import Path; from backends.data.clip_store import read_index;"
        f"index = read_index(Path({str(tmp_path)!r}));"
        "print(index.clip_count, len(index.videos), 'numpy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "20 5 False" == ran.stdout.strip()


def test_batches_are_normalised_as_the_reference_does() -> None:
    """Bytes become ((u8 / 255) - mean) / std, each step rounded to float32, to the last bit, for all 256 values."""
    header = ClipHeader(frames=1, height=16, width=16)
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (3, 1, 16, 16))
    expected = ramp.astype(np.float32) / np.float32(255)
    expected -= np.array(header.mean, np.float32)[:, None, None, None]
    expected /= np.array(header.std, np.float32)[:, None, None, None]
    from backends.device import clip_kernels

    out = np.empty((3, 1, 16, 16), np.float32)
    clip_kernels.normalise(np.ascontiguousarray(ramp), clip_kernels.levels(header.mean, header.std), out)
    assert expected.tobytes() == out.tobytes()


def test_a_batch_is_filled_with_rows_of_zeros(tmp_path: Path) -> None:
    """`pad_to` gives rows beyond the clips, zero after normalising, in the array that was handed in."""
    write(tmp_path)
    store = ClipStore.open(tmp_path)
    out = np.full((12, *SMALL.shape), 7, np.float32)
    batch = store.batch([19, 0], out, pad_to=10)
    assert (10, *SMALL.shape) == batch.shape
    assert np.shares_memory(batch, out)
    assert not batch[2:].any()
    assert (out[10:] == 7).all()
    assert np.array_equal(store.batch([0])[0], batch[1])
    assert np.array_equal(store.batch([19])[0], batch[0])


def test_wrong_batches_are_refused(tmp_path: Path) -> None:
    """Numbers outside the store, too few rows and arrays of another kind are mistakes of the caller."""
    write(tmp_path)
    store = ClipStore.open(tmp_path)
    for number in (-1, 20):
        with pytest.raises(IndexError):
            store.batch([number])
    with pytest.raises(ValueError, match="do not fit"):
        store.batch([0, 1], pad_to=1)
    for out in (np.empty((1, *SMALL.shape), np.float32), np.empty((2, *SMALL.shape), np.float64)):
        with pytest.raises(ValueError, match="not float32"):
            store.batch([0, 1], out)


def test_a_damaged_clip_is_never_handed_out(tmp_path: Path) -> None:
    """One flipped byte is found when the clip is read; other clips are still good."""
    write(tmp_path)
    _flip(shard_path(tmp_path, 2), 5)
    store = ClipStore.open(tmp_path)
    store.clip(7)
    with pytest.raises(StageError, match=r"clip 8 of été \(c\)! does not match its checksum"):
        store.batch([7, 8])
    assert ["été (c)!"] == _damaged(store)


def test_a_truncated_shard_is_damage(tmp_path: Path) -> None:
    """A clip that ends early is damage, even unchecked; a shard that is gone is an error that names it."""
    write(tmp_path)
    os.truncate(shard_path(tmp_path, 0), SMALL.clip_bytes + 1)
    with pytest.raises(StageError, match="clip 1 of a "):
        ClipStore.open(tmp_path, check=False).clip(1)
    shard_path(tmp_path, 0).unlink()
    with pytest.raises(InputError, match=r"clips-00000.u8"):
        ClipStore.open(tmp_path).clip(0)


def test_an_unfinished_store_is_not_opened(tmp_path: Path) -> None:
    """Before `finish` a reader is told to run preprocess to its end; without any store, to run it."""
    with pytest.raises(InputError, match="no clip store"):
        read_index(tmp_path)
    write(tmp_path, ["a"], finish=False)
    with pytest.raises(InputError, match="not finished"):
        ClipStore.open(tmp_path)


@pytest.mark.parametrize("line", [0, 1, 3, 6])
def test_a_damaged_index_is_not_read(tmp_path: Path, line: int) -> None:
    """A changed byte in any line of the index is found and its line is named."""
    write(tmp_path)
    lines = (tmp_path / INDEX).read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b"1", b"2", 1)
    (tmp_path / INDEX).write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=f"line {line + 1}: damaged"):
        read_index(tmp_path)


@pytest.mark.parametrize("done", range(6))
def test_a_resumed_store_is_the_same_as_a_clean_one(tmp_path: Path, clean: dict[str, bytes], done: int) -> None:
    """Whatever number of videos an earlier attempt wrote, the files end up the same, byte for byte."""
    folder = tmp_path / "store"
    if done:
        write(folder, list(COUNTS)[:done], finish=False)
    write(folder)
    assert clean == content(folder)
    write(folder)
    assert clean == content(folder)


@given(cut=st.integers(1, 600))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_index_costs_only_what_is_behind_the_cut(tmp_path: Path, clean: dict[str, bytes], cut: int) -> None:
    """Wherever the index was torn, resuming gives the clean store."""
    folder = tmp_path / "store"
    write(folder)
    os.truncate(folder / INDEX, max(0, (folder / INDEX).stat().st_size - cut))
    write(folder)
    assert clean == content(folder)


@given(shard=st.integers(0, 4), place=st.integers(0, SMALL.clip_bytes * 4 - 1), tear=st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_videos_are_done_again_in_their_place(
    tmp_path: Path, clean: dict[str, bytes], shard: int, place: int, tear: bool
) -> None:
    """A flipped byte or a torn shard is found on resuming, only the videos hit are asked for, and all is well again."""
    folder = tmp_path / "store"
    write(folder)
    path = shard_path(folder, shard)
    if tear:
        os.truncate(path, place)
    else:
        _flip(path, place)
    hit = set(_damaged(ClipStore.open(folder)))
    with ClipWriter.open_or_resume(folder, SMALL) as writer:
        assert hit == set(writer.damaged)
        assert hit == {name for name in COUNTS if writer.get(name) is None}
        for name in COUNTS:
            if writer.get(name) is None:
                append(writer, name)
        writer.finish(COUNTS)
    assert clean == content(folder)


def test_a_video_that_is_not_wanted_any_more_leaves_no_gap(tmp_path: Path) -> None:
    """Videos left out at `finish` (gone bad, or of another subset) give their numbers up; the others move down."""
    write(tmp_path, finish=False)
    left = [name for name in COUNTS if name not in ("a", "d")]
    with ClipWriter.open_or_resume(tmp_path, SMALL) as writer:
        writer.finish(left)
    store = ClipStore.open(tmp_path)
    assert [(name, COUNTS[name]) for name in left] == [(video.id, video.clips) for video in store.videos]
    assert list(range(15)) == [number for video in store.videos for number in video.numbers]
    assert [] == _damaged(store)
    assert 4 == len(list(tmp_path.glob("*.u8")))


def test_numbers_change_the_digest(tmp_path: Path) -> None:
    """Stores whose clips stand under other numbers have other digests, so that scores by number are not mixed up."""
    write(tmp_path / "one")
    with ClipWriter.open_or_resume(tmp_path / "two", SMALL) as writer:
        for name in reversed(COUNTS):
            append(writer, name)
        writer.finish(COUNTS)
    one, two = ClipStore.open(tmp_path / "one"), ClipStore.open(tmp_path / "two")
    assert [video.id for video in one.videos] == [video.id for video in two.videos]
    assert one.digest != two.digest
    assert [[], []] == [_damaged(store) for store in (one, two)]
    assert pixels("e", 4)[3].tobytes() == two.clip(two.videos[4].first + 3).tobytes()


def test_the_index_keeps_any_name_and_a_repeated_line_is_damage(tmp_path: Path) -> None:
    """Quotes and accents come back as they were; an index whose clips do not add up is refused."""
    names = {'quote " and \\': 2, "é": 1, "plain": 3, "last": 1}
    with ClipWriter.open_or_resume(tmp_path, SMALL) as writer:
        for name, count in names.items():
            writer.append(name, "wave", (1, 9), count, np.zeros((count, *SMALL.shape), np.uint8).data)
        videos = writer.finish(names).videos
    assert list(names.items()) == [(video.id, video.clips) for video in videos]
    lines = (tmp_path / INDEX).read_bytes().splitlines(keepends=True)
    (tmp_path / INDEX).write_bytes(b"".join([*lines[:2], lines[3], *lines[3:]]))
    with pytest.raises(InputError, match="line 6: damaged"):
        read_index(tmp_path)
    (tmp_path / INDEX).unlink()
    with pytest.raises(InputError, match="no clip store"):
        read_index(tmp_path)


def test_a_store_of_other_clips_is_begun_anew(tmp_path: Path) -> None:
    """Clips of another shape or normalisation are never mixed with these."""
    write(tmp_path)
    other = ClipHeader(frames=2, height=4, width=5, shard_clips=4, mean=(0.5, 0.5, 0.5))
    with ClipWriter.open_or_resume(tmp_path, other) as writer:
        assert writer.empty
        assert [] == list(tmp_path.glob("*.u8"))


def test_the_wrong_bytes_are_refused(tmp_path: Path) -> None:
    """A part of a clip, or a video for the second time, is a mistake of the caller."""
    with ClipWriter.open_or_resume(tmp_path, SMALL) as writer:
        append(writer, "a")
        with pytest.raises(ValueError, match="already there"):
            append(writer, "a")
        with pytest.raises(ValueError, match="bytes"):
            writer.append("x", "wave", (1, 2), 1, memoryview(bytes(SMALL.clip_bytes + 1)))


def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, clean: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC in the middle of a clip ends with a hint; once there is room, the store is finished as ever."""
    room = [SMALL.clip_bytes * 9 + 30]

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(room[0], len(data))
        room[0] -= taken
        return real(descriptor, data[:taken], offset)

    real = os.pwrite
    folder = tmp_path / "store"
    with monkeypatch.context() as full:
        full.setattr(clip_writer.os, "pwrite", pwrite)
        with pytest.raises(StageError, match=r"the disk is full \(free some space .* and run again"):
            write(folder)
    with ClipWriter.open_or_resume(folder, SMALL) as writer:
        assert ["a", "b"] == [name for name in COUNTS if writer.get(name)]
    write(folder)
    assert clean == content(folder)


def test_kill_at_any_moment_loses_no_finished_video(tmp_path: Path, clean: dict[str, bytes]) -> None:
    """kill -9 at random points, many times over: the store that comes out is the clean one."""
    folder, moments = tmp_path / "store", random.Random(5)
    code = (
        "import sys, time; from pathlib import Path; from tests.data.test_clips import *\n"
        "print('go', flush=True)\n"
        f"with ClipWriter.open_or_resume(Path({str(folder)!r}), SMALL) as writer:\n"
        "    for name in COUNTS:\n"
        "        time.sleep(0.002)\n"
        "        writer.get(name) or append(writer, name)\n"
        "    writer.finish(COUNTS)\n"
    )
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(moments.uniform(0, 0.03))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    write(folder)
    assert clean == content(folder)


def test_checking_says_how_far_it_is_and_can_be_stopped(tmp_path: Path) -> None:
    """Opening a large store to resume it reports each video; what the callback raises goes through."""
    write(tmp_path)
    seen: list[tuple[int, int]] = []
    ClipWriter.open_or_resume(tmp_path, SMALL, lambda done, total: seen.append((done, total))).close()
    assert [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)] == seen

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ClipWriter.open_or_resume(tmp_path, SMALL, stop)


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)


def test_a_batch_of_bytes_is_the_clips_themselves(tmp_path: Path) -> None:
    """Into a uint8 buffer go the stored bytes, in the order asked for; rows beyond them are zeros."""
    write(tmp_path)
    store = ClipStore.open(tmp_path)
    out = np.full((4, *store.header.shape), 9, np.uint8)
    batch = store.batch((2, 0), out=out, pad_to=3)
    assert np.shares_memory(batch, out)
    assert [store.clip(2).tobytes(), store.clip(0).tobytes()] == [row.tobytes() for row in batch[:2]]
    assert (0, 9) == (batch[2].max(), out[3].min())
