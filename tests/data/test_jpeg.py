"""Frame files that cannot be trusted are named with the reason, before they cost anything."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.data import jpeg
from backends.data.jpeg import Decoder, FrameError


def frame(width: int = 64, height: int = 48, mode: str = "RGB", **options: object) -> bytes:
    """The bytes of a sound JPEG."""
    random = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(random).convert(mode).save(data, "JPEG", **options)
    return data.getvalue()


def trouble(path: Path) -> str:
    """Why the file cannot be used."""
    with pytest.raises(FrameError) as caught:
        Decoder().read(str(path))
    return str(caught.value.line)


SOUND = frame()
BAD = {
    "empty": (b"", "image_00001.jpg is empty"),
    "text": (b"hello", "image_00001.jpg is not a JPEG"),
    "cut png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "image_00001.jpg: not a sound image: "),
    "half": (SOUND[: len(SOUND) // 2], "image_00001.jpg is cut off: it has no end marker"),
    "no end": (SOUND[:-2], "image_00001.jpg is cut off: it has no end marker"),
    "half with an end": (SOUND[: len(SOUND) // 2] + b"\xff\xd9", "image_00001.jpg: not a sound JPEG: "),
    "zeroed middle": (SOUND[:-1200] + bytes(1000) + SOUND[-200:], "image_00001.jpg: not a sound JPEG: "),
    "header only": (SOUND[:20] + b"\xff\xd9", "image_00001.jpg: not a sound JPEG: "),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_with_its_trouble(tmp_path: Path, kind: str) -> None:
    """Empty, foreign, cut, damaged and differently coloured files are refused, each by its own reason."""
    data, expected = BAD[kind]
    path = tmp_path / "image_00001.jpg"
    path.write_bytes(data)
    assert trouble(path).startswith(expected)


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("RGB", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("L", "PNG")]
)
def test_other_kinds_under_a_jpeg_name_are_read_as_the_reference_reads_them(
    tmp_path: Path, mode: str, kind: str
) -> None:
    """Pillow opens them and converts to RGB; so do we, into the same buffer."""
    path = tmp_path / "image_00001.jpg"
    random = np.random.default_rng(3)
    picture = Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).convert(mode)
    picture.save(path, format=kind)
    decoder = Decoder()
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), decoder.read(str(path)))


def test_things_that_are_no_files_are_refused(tmp_path: Path) -> None:
    """A missing frame, a folder and a pipe under a frame's name neither crash nor hang."""
    path = tmp_path / "image_00001.jpg"
    assert "image_00001.jpg is missing" == trouble(path)
    path.mkdir()
    assert "image_00001.jpg is not a file" == trouble(path)
    path.rmdir()
    os.mkfifo(path)
    assert "image_00001.jpg is not a file" == trouble(path)


def test_huge_frames_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that promises 30,000 x 30,000 pixels, or a file beyond the limit, costs no memory."""
    path = tmp_path / "image_00001.jpg"
    data = bytearray(SOUND)
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = (30_000).to_bytes(2, "big") * 2
    path.write_bytes(data)
    assert "image_00001.jpg: 30000x30000 pixels are more than 36 million" == trouble(path)
    monkeypatch.setattr(jpeg, "MOST_BYTES", 1 << 10)
    path.write_bytes(SOUND)
    assert f"image_00001.jpg: {len(SOUND)} bytes are more than 0 MiB" == trouble(path)


def test_bytes_behind_the_end_are_not_minded(tmp_path: Path) -> None:
    """Some writers pad; the pixels are the same."""
    path = tmp_path / "image_00001.jpg"
    path.write_bytes(SOUND + bytes(30))
    assert np.array_equal(Decoder().decode(SOUND, "a"), Decoder().read(str(path)))


def test_the_buffer_grows_and_is_used_again() -> None:
    """A larger frame gets a larger buffer; smaller ones after it lie in the same one and keep their shape."""
    decoder = Decoder()
    large = decoder.decode(frame(900, 700), "large")
    assert (700, 900, 3) == large.shape
    buffer = decoder.buffer
    small = decoder.decode(SOUND, "small")
    assert (48, 64, 3) == small.shape
    assert decoder.buffer is buffer
    assert np.shares_memory(small, buffer)
    with Image.open(io.BytesIO(SOUND)) as image:
        assert np.array_equal(np.asarray(image), small)
