"""The guide's steps a second time, in plain Pillow and NumPy, independent of everything in backends/preprocess."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MEAN = np.array([0.4345, 0.4051, 0.3775], np.float32)
STD = np.array([0.2768, 0.2713, 0.2737], np.float32)


def pixels(image: Image.Image, size: int = 112) -> np.ndarray:
    """uint8 (3, size, size): the shorter side scaled to `size`, the centre cut, by Pillow."""
    width, height = image.size
    if width < height:
        scaled = image.resize((size, int(size * height / width)), Image.Resampling.BILINEAR)
    else:
        scaled = image.resize((int(size * width / height), size), Image.Resampling.BILINEAR)
    everything = np.array(scaled.convert("RGB"))
    top, left = (round((length - size) / 2.0) for length in everything.shape[:2])
    return everything[top : top + size, left : left + size].transpose(2, 0, 1)


def clip_frames(first: int, end: int, size: int = 16, stride: int = 16) -> list[list[int]]:
    """The frame numbers of every clip before the cap: a window that is short is filled and is the last one."""
    numbers, clips = list(range(first, end)), []
    for begin in range(0, len(numbers), stride):
        window = numbers[begin : begin + size]
        clips.append((window * size)[:size])
        if len(window) < size:
            break
    return clips


def clips(folder: Path, first: int, end: int) -> np.ndarray:
    """uint8 (clips kept, 3, 16, 112, 112) of a video."""
    made = []
    for numbers in clip_frames(first, end)[:10]:
        frames = [pixels(Image.open(folder / f"image_{number:05d}.jpg").convert("RGB")) for number in numbers]
        made.append(np.stack(frames, axis=1))
    return np.stack(made)


def bin_bytes(made: np.ndarray) -> bytes:
    """The guide's `.bin`: ten float32 clips, those that are not there zero."""
    rows = np.zeros((10, 3, 16, 112, 112), np.float32)
    floats = made.astype(np.float32) / np.float32(255)
    rows[: len(made)] = (floats - MEAN[:, None, None, None]) / STD[:, None, None, None]
    return rows.tobytes()
