"""Small networks and their checkpoints, with weights of every kind that a trained network has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from backends.models.families import network_of
from backends.models.network import Architecture

SMALL = Architecture(10, 5, widen=0.125, conv1_t_size=3)


def random_state(architecture: Architecture, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of every kind that a trained network has: gains, biases and running statistics away from 1 and 0."""
    rng = np.random.default_rng(seed)
    state: dict[str, torch.Tensor] = {}
    for name, shape in network_of(architecture).tensors().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
            continue
        if name.endswith("running_var"):
            values = rng.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            values = rng.normal(0, (2 / (shape[0] * np.prod(shape[2:]))) ** 0.5, shape)
        elif name.endswith("weight"):
            values = rng.uniform(0.5, 1.0, shape)
        else:
            values = rng.normal(0, 0.1, shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def save_checkpoint(path: Path, architecture: Architecture = SMALL, **changes: Any) -> Path:
    """A file as the reference's training script writes it; `changes` replace or add top-level entries."""
    changes = {"epoch": 7, "arch": architecture.name, **changes}
    content = {**changes, "state_dict": changes.get("state_dict") or random_state(architecture)}
    torch.save(content, path)
    return path
