"""The C kernels of reading: the same values as zlib and NumPy."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from backends.stores import feed

needs_kernel = pytest.mark.skipif(feed.extension("backends.stores._feed", 1) is None, reason="no C kernel was built")


@needs_kernel
@pytest.mark.parametrize("length", [*range(130), 602_112, 1_000_003])
def test_checksums_equal_zlibs(length: int) -> None:
    """Any length, folded or not, gives zlib's CRC-32."""
    data = np.random.default_rng(length).bytes(length)
    assert zlib.crc32(data) == feed._feed.crc32(data)


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
    feed.normalise(clip, table, out)
    expected = np.stack([table[channel][clip[channel]] for channel in range(3)])
    assert expected.tobytes() == out.tobytes()
    assert (room[:offset] == 7).all()
    assert (room[offset + 3 * length :] == 7).all()


def test_without_kernels_the_values_are_the_same() -> None:
    """NumPy and zlib stand in, and the switch is put back afterwards."""
    clip = np.arange(3 * 50, dtype=np.uint8).reshape(3, 50)
    table = np.linspace(-3, 3, 768, dtype=np.float32).reshape(3, 256)
    with_kernel, without = (np.empty((3, 50), np.float32) for _ in range(2))
    before = feed.kernel_in_use()
    feed.normalise(clip, table, with_kernel)
    with feed.without_kernel():
        assert not feed.kernel_in_use()
        feed.normalise(clip, table, without)
        assert zlib.crc32(clip.data) == feed.crc32(clip.data)
    assert with_kernel.tobytes() == without.tobytes()
    assert before == feed.kernel_in_use()


@needs_kernel
def test_arrays_that_do_not_fit_are_refused() -> None:
    """The kernel looks at every length before it writes."""
    clip, table = np.zeros((3, 8), np.uint8), np.zeros((3, 256), np.float32)
    for wrong in (np.zeros((3, 7), np.float32), np.zeros((3, 9), np.float32)):
        with pytest.raises(ValueError, match="do not fit"):
            feed._feed.normalise(clip, table, wrong)
    with pytest.raises(ValueError, match="do not fit"):
        feed._feed.normalise(clip, table[:, :255].copy(), np.zeros((3, 8), np.float32))


def test_an_extension_of_another_interface_is_left_alone() -> None:
    """One built from older source does not do the work."""
    assert feed.extension("backends.stores._feed", -1) is None
    assert feed.extension("backends.stores.no_such_module", 1) is None
