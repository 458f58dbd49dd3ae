#!/usr/bin/env python3
"""Train the demo's small 3D ResNet on films of the demo's actions, and write assets/demo/ with the recipe.

The films take the very way that a video takes in a run: a video file, its decoded frames as JPEG, Pillow, shorter
side 112, centre crop, windows of 16 frames. What the accuracy is measured on are other films than were learnt from.

    nice -n 5 env OMP_NUM_THREADS=1 python tools/train_demo.py
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backends.core.settings import PreprocessSettings  # noqa: E402 - the checkout's own packages
from backends.data.decode import jpegs  # noqa: E402
from backends.demo.demo_dataset import (  # noqa: E402  # noqa: E402
    CHECKPOINT,
    CONV1_T_SIZE,
    DEPTH,
    SEED,
    TRAINING_PER_CLASS,
    WIDEN,
    demo_videos,
    write_video,
)
from backends.demo.films import ACTIONS, PARTNERS, Film, draw  # noqa: E402
from backends.models.families import network_of  # noqa: E402
from backends.models.forward import forward  # noqa: E402
from backends.models.network import Architecture  # noqa: E402
from tests.models.fresh_state import fresh_state  # noqa: E402

Pixels = NDArray[np.uint8]

PREPROCESS = PreprocessSettings()
NORMAL = PREPROCESS.normalization
MIRRORED = {"move_left": "move_right", "move_right": "move_left"} | {
    "rotate_clockwise": "rotate_anticlockwise",
    "rotate_anticlockwise": "rotate_clockwise",
}
"""Each action that a mirror turns into another."""


@dataclass(frozen=True, slots=True)
class Phase:
    """So many steps on clips of one size; the small ones come first because they cost a quarter."""

    size: int
    steps: int
    batch: int
    largest_rate: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the weights, beside the versions of the libraries."""

    seed: int = SEED
    films_per_class: int = 80
    frames_per_film: int = 44
    phases: tuple[Phase, ...] = (Phase(56, 1000, 32, 3e-3), Phase(112, 700, 16, 2e-3))
    optimizer: str = "AdamW"
    weight_decay: float = 0.02
    schedule: str = "OneCycle"
    label_smoothing: float = 0.05
    test_films_per_class: int = 40
    first_test_film: int = 100
    """Films of the validation part from this number on; the demo itself shows those below it."""


class Learner(torch.nn.Module):
    """A network of `backends.models` whose tensors an optimizer may change; names keep their dots as `/`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.network = network_of(architecture)
        for name, tensor in fresh_state(self.network).items():
            key = name.replace(".", "/")
            if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                self.register_buffer(key, tensor)
            else:
                self.register_parameter(key, torch.nn.Parameter(tensor))

    def tensors(self) -> dict[str, torch.Tensor]:
        """By the reference's names."""
        return {name: getattr(self, name.replace(".", "/")) for name in self.network.tensors()}

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Logits."""
        return forward(self.network, self.tensors(), clips, training=self.training)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "assets" / "demo")
    parser.add_argument("--cache", type=Path, help="keep the frames to learn from in this .npy file between trials")
    arguments = parser.parse_args()
    recipe = Recipe()
    torch.manual_seed(recipe.seed)
    network = Learner(Architecture(DEPTH, len(ACTIONS), widen=WIDEN, conv1_t_size=CONV1_T_SIZE))
    see_change_only(network)
    films, labels = learning_films(recipe, arguments.cache)
    began = time.monotonic()
    checkpoint = train(network, films, labels, recipe)
    seconds = time.monotonic() - began
    arguments.output.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, arguments.output / CHECKPOINT)
    measured = {"training_seconds": round(seconds), **measure(network, recipe)}
    text = json.dumps(description(recipe, measured), indent=2, ensure_ascii=False)
    (arguments.output / "recipe.json").write_text(text + "\n", encoding="utf-8")
    print(json.dumps(measured, indent=2))


def learning_films(recipe: Recipe, cache: Path | None) -> tuple[Pixels, NDArray[np.int64]]:
    """uint8 (films, frames, 112, 112, 3), RGB, and the class of each film."""
    wanted = [Film(action, "training", number, SEED) for action in ACTIONS for number in range(recipe.films_per_class)]
    labels = np.array([ACTIONS.index(film.action) for film in wanted])
    if cache and cache.exists():
        return np.load(cache, mmap_mode="r"), labels
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        films = np.stack(list(pool.map(lambda f: cropped(f, recipe.frames_per_film), wanted)))
    if cache:
        np.save(cache, films)
    print(f"{len(films)} films of {recipe.frames_per_film} frames to learn from")
    return films, labels


def cropped(film: Film, frames: int) -> Pixels:
    """The film's frames as they come out of a video file, the frames stage's JPEG, the reference's resize and crop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.avi"
        write_video(path, draw(film, frames))
        return np.stack([_crop(Image.open(io.BytesIO(jpeg.data))) for jpeg in jpegs(path)])


def _crop(image: Image.Image) -> Pixels:
    size = PREPROCESS.size
    width = int(size * image.width / image.height)
    left = round((width - size) / 2)
    small = image.convert("RGB").resize((width, size), Image.Resampling.BILINEAR)
    return np.asarray(small.crop((left, 0, left + size, size)))


@torch.no_grad()
def see_change_only(network: torch.nn.Module) -> None:
    """Let the first convolution begin with kernels that sum to zero over time, so that it sees what changes."""
    kernels = network.get_parameter("conv1/weight")
    kernels -= kernels.mean(dim=2, keepdim=True)


def train(network: Learner, films: Pixels, labels: NDArray[np.int64], recipe: Recipe) -> dict[str, Any]:
    """Train in place; give the checkpoint in the reference's format, the optimiser's moments left out."""
    random = np.random.RandomState(recipe.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=recipe.weight_decay)
    network.train()
    for phase in recipe.phases:
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, phase.largest_rate, total_steps=phase.steps)
        shown, right, began = resized(films, phase.size), [], time.monotonic()
        for step in range(1, phase.steps + 1):
            clips, wanted = zip(*(lesson(shown, labels, random) for _ in range(phase.batch)), strict=True)
            logits, target = network(normalised(np.stack(clips))), torch.tensor(wanted)
            loss = torch.nn.functional.cross_entropy(logits, target, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step < phase.steps:
                scheduler.step()
            right.append((logits.argmax(1) == target).float().mean().item())
            if step % 20 == 0:
                pace = (time.monotonic() - began) / step
                print(
                    f"{phase.size} px, step {step}: right {np.mean(right[-20:]):.3f}, {pace:.2f} s a step", flush=True
                )
    return {
        "epoch": sum(phase.steps * phase.batch for phase in recipe.phases) // len(films),
        "arch": f"resnet-{DEPTH}",
        "state_dict": {name: tensor.detach().clone() for name, tensor in network.tensors().items()},
        "optimizer": {"state": {}, "param_groups": optimizer.state_dict()["param_groups"]},
        "scheduler": scheduler.state_dict(),
    }


def resized(films: Pixels, size: int) -> Pixels:
    """The films at another size, by averaging."""
    if films.shape[2] == size:
        return films
    flat = films.reshape(-1, *films.shape[2:])
    return np.stack([cv2.resize(f, (size, size), interpolation=cv2.INTER_AREA) for f in flat]).reshape(
        *films.shape[:2], size, size, 3
    )


def lesson(films: Pixels, labels: NDArray[np.int64], random: np.random.RandomState) -> tuple[Pixels, int]:
    """A random window of a random film, at times short and looped, mirrored, backwards or in other colours.

    Mirrored and backwards it shows another action, and is labelled so.
    """
    number, span = random.randint(len(films)), PREPROCESS.clip_frames
    name = ACTIONS[labels[number]]
    kept = random.randint(6, span) if random.uniform() < 0.15 else span
    first = random.randint(films.shape[1] - kept + 1)
    clip = np.resize(films[number, first : first + kept], (span, *films.shape[2:]))
    if random.uniform() < 0.5:
        clip, name = clip[:, :, ::-1], MIRRORED.get(name, name)
    if random.uniform() < 0.5 and kept == span:
        clip, name = clip[::-1], PARTNERS[name]
    return clip[..., random.permutation(3)], ACTIONS.index(name)


def normalised(clips: Pixels) -> torch.Tensor:
    """float32 (clips, 3, 16, 112, 112) from uint8 (clips, 16, 112, 112, 3): /255, minus mean, over deviation."""
    scaled = torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 4, 1, 2, 3).float().div_(255)
    shape = (1, 3, 1, 1, 1)
    return scaled.sub_(torch.tensor(NORMAL.mean).view(shape)).div_(torch.tensor(NORMAL.std).view(shape))


def measure(network: torch.nn.Module, recipe: Recipe) -> dict[str, Any]:
    """Accuracy on films that were not learnt from: a larger lot, and the demo's own validation videos."""
    network.eval()
    numbers = recipe.first_test_film + recipe.test_films_per_class
    listed = demo_videos(numbers, SEED, training_per_class=TRAINING_PER_CLASS)
    validation = [video for video in listed if video.film.part == "validation"]
    lots = {
        "held_out": [v for v in validation if v.film.number >= recipe.first_test_film],
        "demo": [v for v in demo_videos(8, SEED) if v.film.part == "validation"],
    }
    found: dict[str, Any] = {}
    for name, videos in lots.items():
        wrong = []
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            answers = list(pool.map(lambda v: int(scores(network, cropped(v.film, v.frames)).argmax()), videos))
        for video, answer in zip(videos, answers, strict=True):
            said = ACTIONS[answer]
            if said != video.film.action:
                wrong.append(f"{video.id} ({video.frames} frames): {said}")
        found[name] = {"videos": len(videos), "top1": round(1 - len(wrong) / len(videos), 4), "wrong": wrong}
    return found


def scores(network: torch.nn.Module, frames: Pixels) -> torch.Tensor:
    """Mean over a video's clips, at most 10, of the softmax; a short last clip is looped from its start."""
    span = PREPROCESS.clip_frames
    windows = [frames[first : first + span] for first in range(0, len(frames), span)][: PREPROCESS.max_clips]
    clips = np.stack([np.resize(window, (span, *frames.shape[1:])) for window in windows])
    with torch.no_grad():
        return network(normalised(clips)).softmax(1).mean(0)


def description(recipe: Recipe, measured: dict[str, Any]) -> dict[str, Any]:
    """What recipe.json holds."""
    return {
        "made_by": "tools/train_demo.py",
        "network": {"depth": DEPTH, "shortcut": "B", "widen": WIDEN, "conv1_t_size": CONV1_T_SIZE},
        "labels": ACTIONS,
        "recipe": asdict(recipe),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
        "measured": measured,
    }


if __name__ == "__main__":
    main()
