"""`python -m bench servers`: what several servers cost their head, and how long 1 to 64 of them take: a model.

Measured here: what the head spends on a shard and receives for a clip (`bench.head`), and processor time of decoding a
video of ten seconds. Taken from elsewhere, and named in the report: the chips' published rate, and the sizes below.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from backends.core.command_reports import BenchFigure, BenchReport
from backends.core.messages import line
from backends.core.published import published_rates
from backends.data.annotation import OPEN_END, Video
from backends.data.data_specs import PreprocessParams
from backends.data.video_clips import read_video
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.head import KINETICS, HeadCost, head_figures
from bench.processes import Say

SIZES = (1, 2, 4, 8, 16, 32, 64)
VIDEOS, CLIPS = 650_000, 10
"""Kinetics-700; clips of each that count."""
CORES, CHIPS = 128, 8
"""Of a server."""
CHIP_RATE = next(one.clips_per_s for one in published_rates("310P", "resnet-50", 10))
FORMS = {"340p": (340, 256, 0.7e6), "720p": (1280, 720, 3.5e6)}
"""Width, height and bytes of a video; the bytes are assumed."""
STORE_B_S, WIRE_B_S = 5e9, 1.25e9
"""One store for all servers, and the head's link."""
START_S = 20.0
"""Until a server has its devices open and its first shard decoded."""


class Times(Struct, frozen=True):
    """Seconds that each part needs by itself, all running side by side."""

    decoding: float
    chips: float
    storage: float
    head: float
    wire: float

    @property
    def longest(self) -> tuple[str, float]:
        return max(((name, getattr(self, name)) for name in self.__struct_fields__), key=lambda one: one[1])


def times(servers: int, decode_s: float, video_bytes: float, head: HeadCost) -> Times:
    """`decode_s`: processor seconds of one video; its clips are counted with it. `head`: of shards of `KINETICS`."""
    clips = VIDEOS * CLIPS
    return Times(
        VIDEOS * decode_s / (servers * CORES),
        clips / (servers * CHIPS * CHIP_RATE),
        VIDEOS * video_bytes / STORE_B_S,
        VIDEOS / KINETICS.videos * head.shard_s,
        clips * head.clip_bytes / WIRE_B_S,
    )


def bench_servers(rounds: int, say: Say) -> BenchReport:
    before = machine()
    say(line("what the head spends"))
    head, measured = head_figures(rounds)
    figures = list(measured)
    with tempfile.TemporaryDirectory() as folder:
        for form, (width, height, size) in FORMS.items():
            say(line("decoding {form}", form=form))
            decode_s = _decode_s(_film(Path(folder) / f"{form}.mp4", width, height), rounds)
            what = line("decoding a video of {form}, ten seconds", form=form)
            figures.append(BenchFigure(f"decode_{form}", what, decode_s, "s"))
            for servers in SIZES:
                bound, seconds = times(servers, decode_s, size, head).longest
                text = line("servers: {n}, {form}; bound by {bound}", n=servers, form=form, bound=bound)
                figures.append(BenchFigure(f"servers_{form}_{servers}", text, START_S + seconds, "s"))
    settings = {"videos": VIDEOS, "clips": CLIPS, "cores": CORES, "chips": CHIPS, "chip_clips_per_s": CHIP_RATE,
                "store_bytes_per_s": STORE_B_S, "rounds": rounds}  # fmt: skip
    return BenchReport("servers", before, versions(("av", "numpy")), settings, tuple(figures), load_note(before))


def _decode_s(path: Path, rounds: int) -> float:
    video, params, found = Video("a", "a", "validation", 1, OPEN_END), PreprocessParams(), list[float]()
    for _ in range(rounds):
        begun = time.process_time()
        made = read_video(path, video, params)
        assert made.clips is not None, made.reason
        found.append(time.process_time() - begun)
    return statistics.median(found)


def _film(path: Path, width: int, height: int) -> Path:
    """H.264, 25 frames a second for ten seconds, a pattern that moves."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        base = np.random.default_rng(7).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
        big = np.kron(base, np.ones((8, 8, 1), np.uint8))
        for number in range(250):
            frame = av.VideoFrame.from_ndarray(np.roll(big, 3 * number, 1), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
