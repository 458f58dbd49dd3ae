"""The whole way from checkpoint to logits, held against what the reference model gave on real frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backends.core.model_io import ClipShape
from backends.device.model_runtime import DeviceSpec, load
from backends.inference.runtime_registry import known_runtimes
from backends.models import onnx_file
from backends.models.checkpoint import read_checkpoint
from backends.models.families import network_of
from backends.models.forward import forward
from backends.models.graph import build_graph
from backends.models.network import Wanted
from tests.models.golden_clips import rows_of

VIDEOS = ("TrumanShow_wave_f_nm_np1_fr_med_26", "derived_short_5", "derived_seventeen", "derived_portrait_20")
TOLERANCE = 1e-4


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
    rows = [rows_of(golden, video) for video in videos]
    clips = np.concatenate(rows)
    checkpoint = read_checkpoint(source, Wanted(depth, 51, "B", 1.0, 7))
    model = tmp_path / "model.onnx"
    model.write_bytes(onnx_file.to_bytes(build_graph(checkpoint.architecture, checkpoint.state, ClipShape(len(clips)))))
    with torch.inference_mode():
        network = network_of(checkpoint.architecture)
        state = {name: torch.from_numpy(values) for name, values in checkpoint.state.items()}
        found = {"torch": forward(network, state, torch.from_numpy(clips)).numpy()}
    for name in ("onnxruntime", "openvino"):
        runtime = load(known_runtimes()[name].entry)()
        runtime.open(model, DeviceSpec("cpu:0"), clips.shape)
        found[name] = runtime.run(clips)
        runtime.close()
    wanted = np.concatenate([expected[video][: len(some)] for video, some in zip(videos, rows, strict=True)])
    furthest = {name: float(np.abs(logits - wanted).max()) for name, logits in found.items()}
    assert {} == {name: far for name, far in furthest.items() if not far <= TOLERANCE}
