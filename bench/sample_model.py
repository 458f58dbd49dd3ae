"""A model file of any depth with weights that nobody trained, for measuring: speed does not hang on what was learnt."""

from __future__ import annotations

from pathlib import Path

from backends.core.model_io import ClipShape
from backends.models.architecture import Architecture
from backends.models.families import network_of
from backends.models.graph import build_graph


def sample_model(path: Path, depth: int = 50, classes: int = 51, batch: int = 10) -> Path:
    """Write the ONNX file of a network of the guide's layout for batches of `batch` clips, and give its path."""
    import numpy as np

    architecture = Architecture(depth, classes)
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in network_of(architecture).tensors().items():
        if name.endswith("running_var"):
            weights[name] = np.ones(shape, np.float32)
        else:  # small enough that activations stay ordinary numbers: denormal ones would be slow
            spread = 0.5 / max(1.0, float(np.prod(shape[1:]))) ** 0.5
            weights[name] = (random.standard_normal(shape, np.float32) * np.float32(spread)).astype(np.float32)
    path.write_bytes(build_graph(architecture, weights, ClipShape(batch)).SerializeToString())
    return path
