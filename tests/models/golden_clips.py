"""The golden frames as the reference prepares them for its network, by Pillow and NumPy alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def frame(path: Path) -> Any:
    """One frame as the reference prepares it: float32 (3, 112, 112)."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    scale = 112 / min(width, height)
    size = (112, int(scale * height)) if width <= height else (int(scale * width), 112)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - 112) / 2), round((size[1] - 112) / 2)
    pixels = np.asarray(image.crop((left, top, left + 112, top + 112)), np.float32).transpose(2, 0, 1) / np.float32(255)
    mean, std = np.float32([0.4345, 0.4051, 0.3775]), np.float32([0.2768, 0.2713, 0.2737])
    return (pixels - mean[:, None, None]) / std[:, None, None]


def rows_of(golden: Path, video: str) -> Any:
    """The video's rows of the guide's `.bin` up to the first of filler: float32 (clips + 1, 3, 16, 112, 112)."""
    entry = json.loads((golden / "annotation.json").read_text())["database"][video]["annotations"]
    folder = golden / "frames" / entry["label"] / video
    frames = np.stack([frame(folder / f"image_{n:05d}.jpg") for n in range(*entry["segment"])], 1)
    rows = np.zeros((10, 3, 16, 112, 112), np.float32)
    for row, start in enumerate(range(0, min(frames.shape[1], 160), 16)):
        some = frames[:, start : start + 16]
        rows[row] = some[:, np.arange(16) % some.shape[1]]
    digest = json.loads((golden / "bin_sha256.json").read_text())[f"{video}.bin"]
    assert digest == hashlib.sha256(rows.tobytes()).hexdigest()
    return rows[: row + 2]
