"""The C kernels of reading: the same values as zlib and NumPy."""

from __future__ import annotations

import contextlib
import os
import zlib
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.device import clip_kernels
from backends.device.clip_format import ClipHeader

without_kernel = partial(patch.dict, os.environ, {clip_kernels.KERNEL_SWITCH: "0"})

REFERENCE = ClipHeader()

needs_kernel = pytest.mark.skipif(
    clip_kernels.extension("backends.device._feed", 2) is None, reason="no C kernel was built"
)


@needs_kernel
@pytest.mark.parametrize("length", [*range(300), 602_112, 1_000_003])
def test_checksums_equal_zlibs(length: int) -> None:
    """Any length, folded or not, gives zlib's CRC-32."""
    data = np.random.default_rng(length).bytes(length)
    assert zlib.crc32(data) == clip_kernels._feed.crc32(data)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_buffers_begin_where_a_file_is_read_quickly(kind: str) -> None:
    """Zeros in C order at a multiple of 64, of every size that NumPy takes from the heap or from fresh pages."""
    for rows in (1, 3, 10):
        made = clip_kernels.buffer((rows, *REFERENCE.shape), kind)
        assert made.shape == (rows, *REFERENCE.shape)
        assert made.dtype == kind
        assert made.flags.c_contiguous
        assert made.ctypes.data % clip_kernels.ALIGNMENT == 0
        assert not made.any()


@needs_kernel
@pytest.mark.parametrize("offset", range(9))
@pytest.mark.parametrize("length", [1, 7, 8, 31, 1000])
def test_normalising_does_not_depend_on_alignment(offset: int, length: int) -> None:
    """Wherever the output lies and however long it is, each float is the table's, and nothing beside is touched."""
    random = np.random.default_rng(offset)
    clip = random.integers(0, 256, (3, length), np.uint8)
    table = random.normal(size=(3, 256)).astype(np.float32)
    room = np.full(3 * length + 20, 7, np.float32)
    out = room[offset : offset + 3 * length].reshape(3, length)
    clip_kernels.normalise(clip, clip_kernels.Levels(table), out)
    expected = np.stack([table[channel][clip[channel]] for channel in range(3)])
    assert expected.tobytes() == out.tobytes()
    assert (room[:offset] == 7).all()
    assert (room[offset + 3 * length :] == 7).all()


@needs_kernel
@pytest.mark.parametrize("offset", range(9))
def test_computing_does_not_depend_on_alignment(offset: int) -> None:
    """Where the values are computed instead of looked up they are the table's, and nothing beside is touched."""
    levels = clip_kernels.levels(REFERENCE.mean, REFERENCE.std)
    clip = np.random.default_rng(offset).integers(0, 256, (3, 1001), np.uint8)
    room = np.full(3 * 1001 + 20, 7, np.float32)
    out = room[offset : offset + 3003].reshape(3, 1001)
    clip_kernels.normalise(clip, levels, out)
    expected = np.stack([levels.table[channel][clip[channel]] for channel in range(3)])
    assert expected.tobytes() == out.tobytes()
    assert (room[:offset] == 7).all()
    assert (room[offset + 3003 :] == 7).all()


shares = st.floats(0.015625, 1.0, width=32)


@needs_kernel
@given(mean=st.tuples(shares, shares, shares), std=st.tuples(shares, shares, shares))
@settings(max_examples=200)
def test_any_mean_and_std_give_the_references_bits(
    mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    """All 256 bytes of every channel, computed or not: ((byte / 255) - mean) / std, each step in float32."""
    every = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 256)).copy()
    out = np.empty((3, 256), np.float32)
    clip_kernels.normalise(every, clip_kernels.levels(mean, std), out)
    expected = every.astype(np.float32) / np.float32(255)
    expected -= np.asarray(mean, np.float32)[:, None]
    expected /= np.asarray(std, np.float32)[:, None]
    assert expected.tobytes() == out.tobytes()


@needs_kernel
def test_a_table_that_arithmetic_does_not_give_is_looked_up() -> None:
    """Constants that give other values than the table are not kept; without the kernel none are."""
    assert len(clip_kernels.levels(REFERENCE.mean, REFERENCE.std).constants) in (0, 24)
    with np.errstate(divide="ignore", over="ignore"):
        assert b"" == clip_kernels.levels((0.5, 0.4, 0.3), (1e-39, 1e-39, 1e-39)).constants
    with without_kernel():
        assert b"" == clip_kernels.levels(REFERENCE.mean, REFERENCE.std).constants


def test_without_kernels_the_values_are_the_same(tmp_path: Path) -> None:
    """NumPy and zlib stand in for normalising, checksums and reading, and the switch is put back afterwards."""
    clip = np.random.default_rng(0).integers(0, 256, (3, 40_000), np.uint8)
    (tmp_path / "clips").write_bytes(b"ahead" + clip.tobytes())
    before = clip_kernels.kernel_in_use()
    found = [_everything(tmp_path / "clips", clip)]
    with without_kernel():
        assert not clip_kernels.kernel_in_use()
        found.append(_everything(tmp_path / "clips", clip))
    assert found[0] == found[1]
    assert before == clip_kernels.kernel_in_use()


def _everything(path: Path, clip: np.ndarray) -> list[object]:
    """What each function makes of a clip that stands in a file from byte 5 on."""
    levels = clip_kernels.levels(REFERENCE.mean, REFERENCE.std)
    floats, read, raw, room = (np.zeros(clip.shape, kind) for kind in (np.float32, np.float32, np.uint8, np.uint8))
    clip_kernels.normalise(clip, levels, floats)
    file = os.open(path, os.O_RDONLY)
    try:
        said: list[object] = [clip_kernels.read_bytes(file, 5, raw, checked=True)]
        said.append(clip_kernels.read_floats(file, 5, levels, read, room, checked=True))
        short = [clip_kernels.read_bytes(file, 6, raw.copy(), checked=False)[0] < clip.size]
        short.append(clip_kernels.read_floats(file, 6, levels, read.copy(), room, checked=False)[0] < clip.size)
    finally:
        os.close(file)
    assert [(clip.size, zlib.crc32(clip.data))] * 2 == said
    assert [True, True] == short
    assert floats.tobytes() == read.tobytes()
    assert clip.tobytes() == raw.tobytes()
    return [levels.table.tobytes(), floats.tobytes(), clip_kernels.crc32(clip.data)]


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    """A closed descriptor raises as Python's own reading does, with the kernel and without."""
    out, room = np.zeros((3, 8), np.float32), np.zeros((3, 8), np.uint8)
    levels = clip_kernels.levels(REFERENCE.mean, REFERENCE.std)
    for switch in (contextlib.nullcontext, without_kernel):
        with switch(), pytest.raises(OSError, match="Bad file descriptor"):
            clip_kernels.read_bytes(-1, 0, room, checked=True)
        with switch(), pytest.raises(OSError, match="Bad file descriptor"):
            clip_kernels.read_floats(-1, 0, levels, out, room, checked=True)


@needs_kernel
def test_arrays_that_do_not_fit_are_refused() -> None:
    """The kernel looks at every length before it writes."""
    clip, table = np.zeros((3, 8), np.uint8), np.zeros((3, 256), np.float32)
    for wrong in (np.zeros((3, 7), np.float32), np.zeros((3, 9), np.float32)):
        with pytest.raises(ValueError, match="do not fit"):
            clip_kernels._feed.normalise(clip, table, b"", wrong)
        with pytest.raises(ValueError, match="do not fit"):
            clip_kernels._feed.read_floats(0, 0, bytearray(9), table, bytes(12), wrong, True)
    with pytest.raises(ValueError, match="do not fit"):
        clip_kernels._feed.normalise(clip, table[:, :255].copy(), b"", np.zeros((3, 8), np.float32))


def test_an_extension_of_another_interface_is_left_alone() -> None:
    """One built from older source does not do the work."""
    assert clip_kernels.extension("backends.device._feed", -1) is None
    assert clip_kernels.extension("backends.stores.no_such_module", 1) is None
