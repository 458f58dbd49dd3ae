"""The kernels of aarch64 give the bytes of Pillow, zlib and the reference: built by a cross compiler, run by qemu-user.

Skipped with a reason where neither an aarch64 machine nor compiler and emulator are here.
"""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from backends.data import pixels
from backends.data.pixels import resample
from backends.device import clip_kernels

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MEAN, STD = 0.4345, 0.2768
SIZES = [
    (320, 240, 112),
    (340, 256, 112),
    (176, 144, 112),
    (1280, 720, 112),
    (240, 320, 112),
    (113, 112, 112),
    (90, 75, 64),
]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the kernels for aarch64."""
    native = platform.machine() == "aarch64"
    compiler = shutil.which("gcc" if native else "aarch64-linux-gnu-gcc")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if compiler is None or not (native or emulator):
        pytest.skip("no compiler for aarch64, or no qemu-user")
    built = tmp_path_factory.mktemp("aarch64") / "kernels"
    folders = [f"-I{ROOT / 'backends' / package}" for package in ("data", "device")]
    flags = ["-O3", "-fno-math-errno", "-static", "-Wall", "-Wextra", "-Werror", *folders]
    subprocess.run([compiler, *flags, str(HERE / "kernels.c"), "-o", str(built)], check=True)
    return [str(built)] if native else [str(emulator), str(built)]


@pytest.mark.parametrize(("width", "height", "size"), SIZES)
def test_frames_are_resized_to_pillows_bytes(kernels: list[str], width: int, height: int, size: int) -> None:
    """Every size of frame, with one and with several groups of taps."""
    plan = resample(width, height, size)
    frame = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    frame[:8] = 255  # the largest sums
    words = [str(n) for n in (height, width, size, plan.columns.taps, plan.rows.taps)]
    tables = plan.columns.starts + plan.columns.weights + plan.rows.starts + plan.rows.weights
    done = subprocess.run([*kernels, "resize", *words], input=frame.tobytes() + tables, capture_output=True, check=True)
    expected = pixels.resize_by_pillow(frame, plan.geometry, size).transpose(2, 0, 1)
    assert expected.tobytes() == done.stdout


@pytest.mark.parametrize("length", [0, 1, 15, 16, 63, 64, 100, 4096, 100_001])
def test_checksums_and_floats_are_those_of_zlib_and_the_reference(kernels: list[str], length: int) -> None:
    """By the processor's own instruction, whole and in the rest."""
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8)
    data[: min(length, 256)] = np.arange(min(length, 256))
    levels = clip_kernels.levels((MEAN,) * 3, (STD,) * 3)
    table = np.ascontiguousarray(levels.table[0])
    words = [repr(float(np.float32(MEAN))), repr(float(np.float32(STD))), str(length)]
    given = data.tobytes() + table.tobytes()
    done = subprocess.run([*kernels, "feed", *words], input=given, capture_output=True, check=True)
    assert zlib.crc32(data.tobytes()) == struct.unpack("<I", done.stdout[:4])[0]
    assert table[data].tobytes() == done.stdout[4:]
