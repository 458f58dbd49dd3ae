"""The stages frames, annotate and preprocess for the pipeline: what they read and need, and which
clips a video gives. It imports none of the work.
"""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from backends.core.messages import line
from backends.core.model_io import KINETICS, Channels
from backends.core.needs import module
from backends.core.plan import Reads, Stage, StageSpec
from backends.core.settings import DatasetSettings, Settings


class PreprocessParams(Struct, frozen=True):
    """Of the stage `preprocess`. Defaults are the reference's numbers."""

    subset: str = "validation"
    clip_frames: int = 16
    clip_stride: int = 16
    size: int = 112
    max_clips: int = 10
    """Clips of a video beyond this are cut."""
    mean: Channels = KINETICS.mean
    std: Channels = KINETICS.std
    write_bins: bool = False
    """Also write the guide's `.bin` files and `hmdb51.info`."""


class StepParams(Struct, frozen=True):
    """Of `step preprocess`: the guide's options, which subset it is, and where `hmdb51.info` goes."""

    video_path: Path
    annotation_path: Path
    output_path: Path
    info_path: Path = Path("hmdb51.info")
    dataset: str = "hmdb51"
    inference_batch_size: int = 1
    subset: str = "validation"


def clip_count(first: int, end: int, frames: int, stride: int) -> int:
    """Clips that the frames [first, end) give before any cap: one at every `stride`-th frame, up to and with the
    first one that runs over the end, as the reference's sliding window has it."""
    length = end - first
    whole = (length - frames) // stride + 1 if length >= frames else 0
    return min(-(-length // stride), whole + 1)


def clips(first: int, end: int, frames: int, stride: int, cap: int) -> Iterator[tuple[int, ...]]:
    """The frame numbers of each clip, at most `cap` clips.

    A window that runs over the end is filled by looping its own frames from its start: [1, 6) gives
    1 2 3 4 5 1 2 3 4 5 1 2 3 4 5 1 for 16 frames.
    """
    for clip in range(min(cap, clip_count(first, end, frames, stride))):
        begin = first + clip * stride
        yield tuple(islice(cycle(range(begin, min(begin + frames, end))), frames))


def frames_used(first: int, frames: int, stride: int, cap: int) -> int:
    """The number that follows the last frame of the last clip that may count, of a segment that begins at `first`."""
    return first + (cap - 1) * stride + frames


DECODING = 2
"""The version of how videos are decoded and their frames encoded; raised by hand."""
LABELS = "labels.json"
"""The class names in the annotation's order, for whoever numbers the classes of the clips."""
INDEX, RECORDS = "frames.json", "made.jsonl"
FRAMES_GROW = {"frames": "frames", "index": INDEX, "records": RECORDS}
"""Outputs of frames. The records grow video by video, each behind its files; the index ends them."""
DECODER = (module("av"), module("cv2", "opencv-python-headless"))


def _from_videos(dataset: DatasetSettings) -> bool:
    """Clips are those of the videos, whether or not a folder of their frames is kept on the way."""
    return dataset.videos is not None and dataset.frames is None


def _plan_frames(settings: Settings) -> Stage:
    dataset, pre = settings.dataset, settings.preprocess
    given, skip = dataset.frames, None
    if given:
        skip = line("the frames are there already: {path}", path=str(given))
    elif _from_videos(dataset) and not dataset.keep_frames:
        skip = line("preprocess decodes the videos: dataset.keep_frames is false")
    clips = {"frames": pre.clip_frames, "stride": pre.clip_stride, "most": pre.max_clips}
    needed = {"subset": dataset.subset, "split": dataset.split, "share": dataset.share, "clips": clips}
    return Stage(
        name="frames",
        entry="backends.data.frames:run",
        version=DECODING,
        params={"size": 240, **needed},
        adds=tuple(needed),
        tuning={"workers": pre.workers},
        kept=True,
        grows=FRAMES_GROW,
        inputs={} if skip else {**({"videos": dataset.videos} if dataset.videos else {}), **_labelling(dataset)},
        needs=(module("numpy"), *DECODER),
        skip=skip,
    )


def _plan_annotate(settings: Settings) -> Stage:
    dataset = settings.dataset
    inputs = _labelling(dataset)
    params: dict[str, Any] = {"subset": dataset.subset}
    if "splits" in inputs:
        params["split"] = dataset.split
    if not inputs:
        params |= {"classes": settings.model.classes, "share": dataset.share}
    if dataset.frames:
        inputs["frames"] = dataset.frames
    elif not inputs and dataset.videos:
        inputs["videos"] = dataset.videos
    if dataset.labels != "auto":
        inputs["labels"] = Path(dataset.labels)
    return Stage(
        name="annotate",
        entry="backends.data.annotate:run",
        version=3,
        params=params,
        inputs=inputs,
    )


def _preprocess(settings: Settings) -> Stage:
    pre, dataset = settings.preprocess, settings.dataset
    needs, inputs, version = [module("numpy"), module("simplejpeg"), module("PIL", "pillow")], {}, 2
    if dataset.frames:
        inputs["frames"] = dataset.frames
    elif dataset.videos:
        inputs["videos"] = dataset.videos
        version += 100 * DECODING
        needs += DECODER
    params = PreprocessParams(
        subset=settings.dataset.subset,
        clip_frames=pre.clip_frames,
        clip_stride=pre.clip_stride,
        size=pre.size,
        max_clips=pre.max_clips,
        mean=pre.normalization.mean,
        std=pre.normalization.std,
        write_bins=settings.infer.layout == "guide",
    )
    return Stage(
        name="preprocess",
        entry="backends.data.preprocess:run",
        version=version,
        params=asdict(params),
        kept=True,
        adds=("write_bins",),
        grows={"store": "store", "labels": LABELS},
        follows=("frames",) if _from_videos(dataset) and dataset.keep_frames else (),
        tuning={"workers": pre.workers},
        inputs=inputs,
        needs=tuple(needs),
    )


def _labelling(dataset: DatasetSettings) -> dict[str, Path]:
    """The annotation, or else the lists, or nothing."""
    if dataset.annotation:
        return {"annotation": dataset.annotation}
    return {"splits": dataset.splits} if dataset.splits else {}


FRAMES = StageSpec("frames", {"check": Reads()}, _plan_frames)
"""Videos to folders of JPEG files."""

ANNOTATE = StageSpec("annotate", {"check": Reads()}, _plan_annotate)
"""Labels and segments in the reference's form."""

PREPROCESS = StageSpec(
    "preprocess",
    {"check": Reads(), "frames": Reads(tuple(FRAMES_GROW), in_key=False), "annotate": Reads(("annotation",))},
    _preprocess,
)
"""Frames, or videos, to a clip store."""
