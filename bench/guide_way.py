"""The guide's way of frames and of preprocessing, as slow as it is there: what our own is measured against.

Written from the description of the steps, not from the guide's scripts. Frames: an ffprobe and an ffmpeg a video.
Preprocessing in plain Pillow and torch: one video an item, every clip of it decoded before the cap cuts, torch's data
loader with its worker processes, one float32 `.bin` of ten clips a video. It shares nothing with the code that it is
compared with. As processes: `python -m bench.guide_way frames|preprocess FROM TO WORKERS [ANNOTATION]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import torch

ROWS = 10
"""Clips of a `.bin`."""
FRAMES = 16
SIZE = 112
MEAN = (0.4345, 0.4051, 0.3775)
STD = (0.2768, 0.2713, 0.2737)


class Frames(Struct, frozen=True):
    """One video for the reference: its folder and its frames [first, end)."""

    id: str
    folder: Path
    first: int
    end: int


class Clips:
    """A torch data set: item n is video n's id and float32 clips (clips before the cut, 3, 16, 112, 112)."""

    def __init__(self, videos: Sequence[Frames]) -> None:
        self._videos = videos

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, number: int) -> tuple[str, torch.Tensor]:
        import torch

        video = self._videos[number]
        clips = []
        for begin in range(video.first, video.end, FRAMES):
            window = list(range(begin, min(begin + FRAMES, video.end)))
            while len(window) < FRAMES:
                window.extend(window[: FRAMES - len(window)])
            frames = [reference_frame(video.folder / f"image_{frame:05d}.jpg") for frame in window]
            clips.append(torch.stack(frames, 0).permute(1, 0, 2, 3))
        return video.id, torch.stack(clips)


def reference_frame(path: Path) -> torch.Tensor:
    """One frame, float32 (3, 112, 112): decode, scale the shorter side, cut the centre, divide, subtract, divide."""
    import numpy as np
    import torch
    from PIL import Image

    with path.open("rb") as file, Image.open(file) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    short = min(width, height)
    if short != SIZE:
        long = int(SIZE * max(width, height) / short)
        target = (SIZE, long) if width <= height else (long, SIZE)
        image = image.resize(target, Image.Resampling.BILINEAR)
    left, top = round((image.width - SIZE) / 2.0), round((image.height - SIZE) / 2.0)
    image = image.crop((left, top, left + SIZE, top + SIZE))
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (MEAN, STD))
    return tensor.sub_(mean).div_(std)


def reference_run(videos: Sequence[Frames], bins: Path | None, workers: int) -> int:
    """Make the `.bin` of each video in `bins` (None: make and drop them); the number of clips that were kept.

    `workers` are the processes of torch's data loader; 0: this process alone.
    """
    import warnings

    import torch
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)  # as in each worker process of the loader
    items: Any = Clips(videos)
    start = "fork" if workers else None  # as the guide's script starts them on Linux
    # batch_size=None: one video an item, handed on as it is, which is the guide's --inference_batch_size=1
    loader: Any = DataLoader(items, batch_size=None, num_workers=workers, multiprocessing_context=start)
    kept = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of fork beside threads
        for name, clips in loader:
            rows = torch.zeros((ROWS, *clips.shape[1:]))
            rows[: len(clips)] = clips[:ROWS]
            if bins is not None:
                rows.numpy().tofile(bins / f"{name}.bin")
            kept += min(len(clips), ROWS)
    return kept


def annotated(annotation: Path, frames: Path) -> list[Frames]:
    """The validation videos of the guide's json."""
    found = []
    for name, entry in json.loads(annotation.read_bytes())["database"].items():
        if entry["subset"] == "validation":
            label, (first, end) = entry["annotations"]["label"], entry["annotations"]["segment"]
            found.append(Frames(name, frames / label / name, first, end))
    return found


def reference_frames(videos: Path, out: Path, jobs: int) -> None:
    """Every `<class>/<video>` as JPEG files, by the reference's two commands a video, so many videos at once."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "default=noprint_wrappers=1:nokey=1"]

    def one(video: Path) -> None:
        folder = out / video.parent.name / video.stem
        folder.mkdir(parents=True)
        asked = [*probe, "-show_entries", "stream=width,height,avg_frame_rate,duration", str(video)]
        width, height, *_ = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        scale = "scale=-1:240" if int(width) > int(height) else "scale=240:-1"
        command = ["ffmpeg", "-i", str(video), "-vf", scale, "-threads", "1", f"{folder}/image_%05d.jpg"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, sorted(videos.glob("*/*.avi"))))


def main() -> None:
    """As a process, so that start-up counts as it does in the guide."""
    what, source, out, workers, *annotation = sys.argv[1:]
    if what == "frames":
        reference_frames(Path(source), Path(out), int(workers))
    else:
        Path(out).mkdir(parents=True)
        reference_run(annotated(Path(*annotation), Path(source)), Path(out), int(workers))


if __name__ == "__main__":
    main()
