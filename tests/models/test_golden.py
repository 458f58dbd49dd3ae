"""The whole way from checkpoint to logits, held against what the reference model gave on real frames."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backends.core.model_io import ClipShape
from backends.models import forward, onnx_file
from backends.models.checkpoint import Wanted, read_checkpoint
from backends.models.graph import build_graph

VIDEOS = ("TrumanShow_wave_f_nm_np1_fr_med_26", "derived_short_5", "derived_seventeen", "derived_portrait_20")
TOLERANCE = 1e-4


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


class Rows:
    """Clips in memory."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def batches(self, size: int, kind: str = "float32") -> Iterator[tuple[Any, int]]:
        for start in range(0, len(self.rows), size):
            some = self.rows[start : start + size]
            filler = np.zeros((size - len(some), *some.shape[1:]), np.float32)
            yield np.concatenate([some, filler]), len(some)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [18, 50])
def test_logits_are_the_references(shared: Path, tmp_path: Path, depth: int) -> None:
    """PyTorch, ONNX Runtime and OpenVINO give the reference's logits within 1e-4, rows of filler too."""
    pytest.importorskip("openvino")
    golden, source = shared / "data/golden", tmp_path / "c.pth"
    tool = [sys.executable, str(shared / "tools/make_checkpoint.py"), "--depth", str(depth), str(source)]
    subprocess.run(tool, check=True)
    videos = VIDEOS if depth == 18 else VIDEOS[:2]
    expected = np.load(golden / f"logits_resnet{depth}.npz")
    videos_rows = [rows_of(golden, video) for video in videos]
    clips = Rows(np.concatenate(videos_rows))
    checkpoint = read_checkpoint(source, Wanted(depth, 51, "B", 1.0, 7))
    model = tmp_path / "model.onnx"
    weights = {name: tensor.numpy() for name, tensor in checkpoint.state.items()}
    model.write_bytes(onnx_file.to_bytes(build_graph(checkpoint.architecture, weights, ClipShape(4))))
    found = {
        "torch": forward.checkpoint_logits(checkpoint, clips),
        "onnxruntime": forward.onnxruntime_logits(model, clips),
        "openvino": forward.openvino_logits(model, clips),
    }
    wanted = np.concatenate([expected[video][: len(rows)] for video, rows in zip(videos, videos_rows, strict=True)])
    furthest = {name: float(np.abs(logits - wanted).max()) for name, logits in found.items()}
    print(furthest)
    assert {} == {name: far for name, far in furthest.items() if not far <= TOLERANCE}
