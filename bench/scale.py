"""`r3d-tui bench scale`: peak memory and processor time of each stage, for few videos and for many.

Videos are made up: their frames are links to one folder of tiny frames, inference is the null runtime. So what is
measured is what grows with their number, and nothing of decoding or of a model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from backends.core.command_reports import BenchFigure, BenchReport, beside
from backends.core.events import Outcome
from backends.core.messages import line
from backends.core.stage_request import Request, Upstream
from backends.data.clip_store import ClipStore
from backends.monitor.cpu_groups import load_note, machine, versions
from bench.processes import Say
from bench.stage_process import StageRun, run_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW, MANY = 1530, 100_000
STAGES = ("annotate", "preprocess", "infer", "score", "evaluate")
ENTRIES: Mapping[str, str] = {
    "annotate": "backends.data.annotate:run",
    "preprocess": "backends.data.preprocess:run",
    "infer": "backends.inference.infer:run",
    "score": "backends.evaluate.score:run",
    "evaluate": "backends.evaluate.evaluate:run",
}
SUBSET, LABELS = "validation", 51
BYTES_A_VIDEO = 1_500
"""By which the peak memory of a stage may grow with each video."""


def bench_scale(few: int, many: int, say: Say) -> BenchReport:
    """Every stage that knows videos, over `few` and over `many` of them."""
    before = machine()
    found: dict[int, dict[str, StageRun]] = {}
    with tempfile.TemporaryDirectory(prefix="r3d-bench-") as scratch:
        for count in (few, many):
            found[count] = dict(_stages(Path(scratch, str(count)), count, say))
    figures = []
    for name in STAGES:
        less, more = found[few][name], found[many][name]
        what = line("{stage}: peak memory, {n} videos", stage=name, n=many)
        against = line("{n} videos", n=few)
        figure = beside(f"{name}_mb", what, more.peak_mb, less.peak_mb, against, unit="MB")
        figures.append(replace(figure, most=less.peak_mb + BYTES_A_VIDEO * (many - few) / (1 << 20)))
        if more.child_peak_mb:
            what = line("{stage}: peak memory of a device, {n} videos", stage=name, n=many)
            value, reference = more.child_peak_mb, less.child_peak_mb
            figures.append(beside(f"{name}_device_mb", what, value, reference, against, unit="MB"))
        what = line("{stage}: processor time, {n} videos", stage=name, n=many)
        figures.append(BenchFigure(f"{name}_cpu", what, more.cpu_s, "s"))
    return BenchReport("scale", before, versions(("numpy", "pillow")), {"few": few, "many": many}, tuple(figures),
                       load_note(before))  # fmt: skip


def _stages(folder: Path, count: int, say: Say) -> Iterator[tuple[str, StageRun]]:
    folder.mkdir()
    _make(folder, count)
    done: dict[str, Upstream] = {"simplify": Upstream(folder, Outcome(outputs={"onnx": "none.onnx"}))}
    settings: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Path]]] = {
        "annotate": ({"subset": SUBSET}, {"annotation": folder / "given.json", "frames": folder / "frames"}),
        "preprocess": ({"clip_frames": 1, "size": 16, "max_clips": 1}, {"frames": folder / "frames"}),
        "infer": ({"runtime": "null", "clips": "bench.scale:Unread"}, {}),
        "score": ({}, {}),
        "evaluate": ({"subset": SUBSET}, {}),
    }
    for name in STAGES:
        say(line("{stage} over {n} videos", stage=name, n=count))
        params, inputs = settings[name]
        if name == "infer":  # the index of as many videos as there are, and no clips behind it
            done["preprocess"] = Upstream(folder, Outcome(outputs={"store": f"blank-{count}"}))
        out = folder / name
        request = Request(name, ENTRIES[name], 1, folder, out, folder / "scratch", params, {}, inputs, done)
        run = run_apart(request)
        yield name, run
        done[name] = Upstream(out, run.outcome)


def _ids(count: int) -> Iterator[str]:
    return (f"made_for_measuring_{number:07d}_wave_f_nm_np1_fr_med_0" for number in range(count))


def _make(folder: Path, count: int) -> None:
    """Annotation, frames and the index of a clip store of so many videos."""
    from PIL import Image

    from backends.data.annotation import Annotation, Video, annotation_json
    from backends.data.clip_store import VideoClips
    from backends.device.clip_format import INDEX, ClipHeader, header_line, seal, video_line
    from bench.null_loop import sample, spread

    one = folder / "one"
    one.mkdir()
    Image.new("RGB", (32, 24)).save(one / "image_00001.jpg")
    labels = tuple(f"class_{number:02d}" for number in range(LABELS))
    spans = spread(sample(count))
    table = tuple(
        Video(name, labels[number % LABELS], SUBSET, 1, 1 + 16 * spans[number].clips)
        for number, name in enumerate(_ids(count))
    )
    (folder / "given.json").write_bytes(annotation_json(Annotation(labels, table)))
    for label in labels:
        (folder / "frames" / label).mkdir(parents=True)
    store = folder / f"blank-{count}"
    store.mkdir()
    with open(store / INDEX, "wb") as index:
        index.write(header_line(ClipHeader()))
        for video, span in zip(table, spans, strict=True):
            (folder / "frames" / video.label / video.id).symlink_to(one)
            clips = VideoClips(video.id, video.label, span.first, span.clips, span.clips, (video.first, video.end))
            index.write(video_line(clips, [0] * span.clips))
        index.write(seal({"end": [count, spans[-1].first + spans[-1].clips], "digest": "none"}))


class Unread(ClipStore):
    """A store with its whole index, of which no clip is read."""

    def batch(
        self,
        numbers: Sequence[int],
        out: NDArray[Any] | None = None,
        *,
        pad_to: int | None = None,  # noqa: ARG002 - the store's signature
    ) -> NDArray[Any]:
        """The buffer, its first value of each clip the clip's number."""
        assert out is not None
        out[: len(numbers), 0, 0, 0, 0] = numbers
        return out
