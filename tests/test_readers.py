"""Whatever lies where a file should be, its reader gives a value or an error of ours, in a moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.readers import NOT_READERS, READERS, Reader, functions

ODD = (b"", b"\0" * 100, b"[" * 20_000, b'{"a":' * 20_000, b"1" * 5_000, b"[1e400, NaN, -Infinity]", b"\xff\xfe\x00x")
"""Deep nesting, more digits than Python converts, numbers that JSON does not have, another encoding."""
LONG_NUMBERS = (b"9" * 400, b"9" * 5_000, b"1e999", b"NaN", b"-1", b'"\\ud800"', b"[]", b"{}", b"null")
each_reader = pytest.mark.parametrize(
    "reader", READERS, ids=lambda one: f"{one.function.__module__}.{one.function.__name__}"
)


def read(reader: Reader, path: Path) -> None:
    """A value, or an error of ours within 10 s, which none needs.

    Of a file inside .r3d that is none also the system's error: the worker words it.
    """
    with _alarm(10):
        try:
            reader.call(path)
        except Exception as error:
            if not type(error).__module__.startswith("backends.") and not (reader.is_ours and not _is_file(path)):
                raise
            assert str(error)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file() refuses a long name


def test_every_reader_is_registered() -> None:
    """A function called read_* or open_* that takes a path stands in tests/readers.py."""
    known = {reader.function for reader in READERS}
    assert [] == [name for name, function in functions() if function not in known and name not in NOT_READERS]


@each_reader
@settings(max_examples=25)
@given(data=st.data())
def test_any_bytes_give_a_value_or_an_error_of_ours(
    reader: Reader, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A sound file with bytes changed, cut off, or with a number or text put in place of another; and odd ones."""
    path = tmp_path_factory.mktemp("r") / reader.name
    path.write_bytes(data.draw(st.sampled_from(ODD) | _damaged(reader.sound)))
    read(reader, path)


def _damaged(sound: bytes) -> st.SearchStrategy[bytes]:
    def build(at: int, length: int, put: bytes, bom: bool) -> bytes:
        return (b"\xef\xbb\xbf" if bom else b"") + sound[:at] + put + sound[at + length :]

    place = st.integers(0, len(sound))
    put = st.binary(max_size=4) | st.sampled_from(LONG_NUMBERS)
    return st.builds(build, place, st.integers(0, 12) | place, put, st.booleans())


@each_reader
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "loop", "device", "name"])
def test_what_is_no_file_gives_a_value_or_an_error_of_ours(reader: Reader, kind: str, tmp_path: Path) -> None:
    """Nobody waits for a FIFO that nobody writes to, or reads /dev/zero to its end."""
    if kind in ("fifo", "device") and reader.is_ours:
        pytest.skip("nobody but us puts a file there")
    path = tmp_path / "f" / reader.name
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "name":
        path = path.with_name("n" * 300) / reader.name
    read(reader, path)


class LateError(BaseException):
    """No reader takes it for an error of a file."""


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise LateError(f"not read in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
