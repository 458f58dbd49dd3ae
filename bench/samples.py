"""What the benches measure on where nothing real is given: films of the demo, their frames, models without training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.core.messages import InputError
from backends.core.model_io import ClipShape
from backends.demo.demo_dataset import make_demo_videos
from backends.demo.films import ACTIONS
from backends.models.families import network_of
from backends.models.graph import build_graph
from backends.models.network import Architecture

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample_films(folder: Path, count: int) -> Path:
    """`videos/` with about so many films of all classes and `splits/` that say that all are to be evaluated."""
    each = -(-count // len(ACTIONS))
    make_demo_videos(folder, each, training_per_class=0)
    return folder / "videos"


def repeated(videos: Path, folder: Path, count: int) -> Path:
    """So many links to the `.avi` files in `videos`, in turn, as `<class>/<video>.avi` in `folder`."""
    found = sorted(videos.rglob("*.avi"))
    if not found:
        raise InputError("{path}: no .avi files", hint="give a folder of videos", path=str(videos))
    target = folder / "all"
    target.mkdir(parents=True)
    for number, video in zip(range(count), itertools.cycle(found), strict=False):
        (target / f"{video.stem}_{number}.avi").symlink_to(video.resolve())
    return folder


def sample_weights(architecture: Architecture) -> Mapping[str, NDArray[Any]]:
    """Weights that nobody trained, by name: speed does not depend on what was learnt."""
    import numpy as np

    random = np.random.default_rng(0)
    weights: dict[str, NDArray[Any]] = {}
    for name, shape in network_of(architecture).tensors().items():
        if name.endswith("num_batches_tracked"):
            weights[name] = np.ones((), np.int64)
        elif name.endswith("running_var"):
            weights[name] = np.ones(shape, np.float32)
        else:  # small enough that activations stay ordinary numbers: denormal ones would be slow
            spread = 0.5 / max(1.0, float(np.prod(shape[1:]))) ** 0.5
            weights[name] = random.standard_normal(shape, np.float32) * np.float32(spread)
    return weights


def sample_model(path: Path, depth: int = 50, classes: int = 51, batch: int = 10) -> Path:
    """Write the ONNX file of a network of the guide's layout for batches of `batch` clips, and give its path."""
    architecture = Architecture(depth, classes)
    model = build_graph(architecture, sample_weights(architecture), ClipShape(batch))
    path.write_bytes(model.SerializeToString())
    return path


def sample_checkpoint(path: Path, depth: int, classes: int) -> Path:
    """Write a checkpoint as the reference's trainer does, and give its path."""
    import torch

    weights = sample_weights(Architecture(depth, classes))
    state = {f"module.{name}": torch.from_numpy(values) for name, values in weights.items()}
    torch.save({"epoch": 200, "arch": f"resnet-{depth}", "state_dict": state, "optimizer": {}, "scheduler": {}}, path)
    return path
