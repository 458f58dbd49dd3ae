"""The kernel against Pillow: the same bytes for every size, or left to Pillow."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import sysconfig
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backends.data import pixels
from backends.data.jpeg import SPARE
from backends.data.pixels import axis, geometry, resample
from tests.data import reference

needs_kernel = pytest.mark.skipif(pixels._resize is None, reason="no C kernel was built")
NAMED = [(320, 240), (240, 320), (432, 240), (240, 432), (560, 240), (112, 112), (113, 113), (112, 200), (200, 112)]
NAMED += [(16, 16), (1, 1), (1, 2), (2, 1), (3, 9), (60, 50), (1920, 1080), (281, 281), (1200, 150)]


def kernel(frame: np.ndarray, size: int = 112) -> np.ndarray:
    """The kernel's bytes for uint8 (height, width, 3), put at frame 1 of 2, its surroundings looked after."""
    height, width, _ = frame.shape
    plan = resample(width, height, size)
    out = np.full((3, 2, size, size), 99, np.uint8)
    source = np.concatenate([frame.reshape(-1), np.full(SPARE, 255, np.uint8)])
    pixels._resize.resize_crop(source, height, width, *_tables(plan), size, out, size * size, 2 * size * size)
    assert (out[:, 0] == 99).all()
    return out[:, 1]


def _tables(plan: object) -> tuple[object, ...]:
    columns, rows = plan.columns, plan.rows  # type: ignore[attr-defined]
    return columns.taps, columns.starts, columns.weights, rows.taps, rows.starts, rows.weights


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    """The hardest frame for rounding: every byte random."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@needs_kernel
@pytest.mark.parametrize(("width", "height"), NAMED)
def test_named_sizes_equal_pillow(width: int, height: int) -> None:
    """Sizes of real frames and odd ones: portrait, square, tiny, exact, large, wide."""
    frame = noise(width, height)
    if not resample(width, height, 112).rows_first:
        assert np.array_equal(reference.pixels(Image.fromarray(frame)), kernel(frame))


@needs_kernel
@pytest.mark.parametrize("seed", range(6))
def test_random_sizes_equal_pillow(seed: int) -> None:
    """Any size and any side of the crop, with noise and with hard edges."""
    chance = random.Random(seed)
    for _ in range(12):
        width, height, size = chance.randint(1, 500), chance.randint(1, 400), chance.choice((112, 112, 33, 16))
        if max(width, height) > 12 * min(width, height) or resample(width, height, size).rows_first:
            continue
        frame = noise(width, height, seed)
        if chance.random() < 0.4:
            frame = (frame > 127) * np.uint8(255)
        assert np.array_equal(reference.pixels(Image.fromarray(frame), size), kernel(frame, size)), (width, height)


@needs_kernel
@pytest.mark.parametrize("level", [0, 1, 127, 128, 254, 255])
def test_even_frames_stay_even(level: int) -> None:
    """Rounded weights add up well enough that a flat frame keeps its level."""
    frame = np.full((241, 323, 3), level, np.uint8)
    assert (kernel(frame) == level).all()


@pytest.mark.parametrize(("width", "height"), [(100, 250), (114, 369), (235, 745), (320, 240), (240, 432), (60, 200)])
@pytest.mark.usefixtures("each_kernel")
def test_frames_that_pillow_does_rows_first_are_left_to_it(tmp_path: Path, width: int, height: int) -> None:
    """Whatever the shape, a frame read with or without the kernel has Pillow's bytes."""
    path = tmp_path / "image_00001.jpg"
    Image.fromarray(noise(width, height)).save(path)
    made = np.zeros((1, 3, 2, 112, 112), np.uint8)
    pixels.FrameReader(112).read(str(path), made, 0, 1)
    with Image.open(path) as image:
        assert np.array_equal(reference.pixels(image.convert("RGB")), made[0, :, 1])
    assert not made[0, :, 0].any()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 20}])
def test_every_kind_of_jpeg_decodes_as_in_pillow(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    """Grey, progressive and differently sampled frames give Pillow's pixels."""
    path = tmp_path / "image_00001.jpg"
    Image.fromarray(noise(150, 131)).convert(mode).save(path, **options)
    made = np.zeros((1, 3, 1, 112, 112), np.uint8)
    pixels.FrameReader(112).read(str(path), made, 0, 0)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert np.array_equal(reference.pixels(image.convert("RGB")), made[0, :, 0])


def test_geometry_truncates_and_rounds_half_to_even() -> None:
    """The longer side is cut down to a whole number; a half pixel of the crop goes to the even side."""
    assert (149, 112, 18, 0) == _tuple(geometry(320, 240, 112))
    assert (112, 201, 0, 44) == _tuple(geometry(240, 432, 112))
    assert (112, 113, 0, 0) == _tuple(geometry(112, 113, 112))
    assert (112, 115, 0, 2) == _tuple(geometry(112, 115, 112))


def test_taps_never_leave_the_source() -> None:
    """Every start leaves room for all taps, and the weights of a result add up to one within a tap's rounding."""
    for source, target in ((240, 112), (320, 149), (5, 112), (112, 112), (1, 112), (4000, 112)):
        made = axis(source, target, 0, target)
        starts = np.frombuffer(made.starts, np.int32)
        weights = np.frombuffer(made.weights, np.int32).reshape(target, made.taps)
        assert 0 <= starts.min()
        assert starts.max() + made.taps <= source
        assert np.abs(weights.sum(1, dtype=np.int64) - (1 << 22)).max() <= made.taps


@needs_kernel
def test_tables_and_buffers_that_do_not_fit_are_refused() -> None:
    """The kernel looks at every length and start before it reads or writes."""
    plan = resample(40, 30, 16)
    source, out = np.zeros(40 * 30 * 3 + SPARE, np.uint8), np.zeros((3, 1, 16, 16), np.uint8)
    good = [source, 30, 40, *_tables(plan), 16, out, 0, 256]
    pixels._resize.resize_crop(*good)
    beyond = np.full(16, 40, np.int32).tobytes()
    wrong = {0: source[:3600], 1: 31, 2: 41, 3: 50, 4: beyond, 5: plan.columns.weights[:-4], 7: beyond, 9: 17}
    for place, value in {**wrong, 10: out[:2], 11: 1, 12: 255, 6: 0}.items():
        with pytest.raises(ValueError, match="do not fit"):
            pixels._resize.resize_crop(*good[:place], value, *good[place + 1 :])


def _tuple(found: object) -> tuple[int, ...]:
    return tuple(getattr(found, name) for name in ("scaled_width", "scaled_height", "left", "top"))


@pytest.mark.slow
def test_the_plain_c_code_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What processors without AVX2 run, built here on purpose, equals Pillow too."""
    compiler = shutil.which("cc")
    source = Path(pixels.__file__).with_name("_resize.c")
    if compiler is None or not source.exists():
        pytest.skip("no C compiler, or no source beside the module")
    built = tmp_path / "_resize.so"
    include = f"-I{sysconfig.get_paths()['include']}"
    made = subprocess.run([compiler, "-DPLAIN", "-O2", "-shared", "-fPIC", include, source, "-o", built], check=False)
    if made.returncode:
        pytest.skip("the headers of Python are not here")
    loader = ExtensionFileLoader("_resize", str(built))
    module = module_from_spec(spec_from_loader("_resize", loader))
    loader.exec_module(module)
    monkeypatch.setattr(pixels, "_resize", module)
    for width, height in ((320, 240), (97, 131), (13, 9)):
        frame = noise(width, height)
        assert np.array_equal(reference.pixels(Image.fromarray(frame)), kernel(frame))
