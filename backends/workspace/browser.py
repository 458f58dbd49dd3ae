"""A look into a workspace's data set: its videos, and one clip's pixels from the clip store. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backends.core.clip_entries import ClipFrames, VideoEntry
from backends.core.cooperative import giving_way
from backends.core.errors import InputError
from backends.core.messages import Line
from backends.core.run_state import Run
from backends.data.annotation import read_annotation
from backends.data.clip_index import each_video
from backends.data.clip_index import find_video as find_clips
from backends.data.video_entries import VideoEntries
from backends.engine.folders import Folders
from backends.engine.journal import read_state
from backends.engine.run_results import output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STAGES = ("frames", "annotate", "preprocess", "infer", "score", "evaluate")
"""Those that set videos aside; the first that did says why."""


def list_videos(workspace: Path) -> Sequence[VideoEntry]:
    """Every video of the latest clip store, and those set aside (the first 200 of each stage, as outcomes name them).

    InputError where no run has made a store yet.
    """
    folders = Folders(workspace)
    run, store = _latest(folders)
    aside = _aside(run)
    found = VideoEntries()
    for video in giving_way(each_video(store)):
        found.add(video, aside.pop(video.id, None))
    labels = _labels(folders, run) if aside else {}
    found.others += [VideoEntry(item, labels.get(item, ""), reason=why, stage=by) for item, (why, by) in aside.items()]
    return found


def find_video(workspace: Path, video: str) -> VideoEntry | None:
    """One video of the latest clip store by its name; None where it has none of that name. Errors as `list_videos`."""
    run, store = _latest(Folders(workspace))
    place = find_clips(store, video)
    if place is None:
        return None
    found = VideoEntries()
    found.add(place[1], _aside(run).get(video))
    return found[0]


def clip_frames(workspace: Path, video: str, clip: int, side: int) -> ClipFrames:
    """The frames of clip `clip` (from 0) of a video, at most `side` pixels wide and high: means of what they cover.

    InputError where the store has no such clip, StageError where it is damaged.
    """
    import numpy as np

    from backends.data.clip_store import ClipStore

    _, folder = _latest(Folders(workspace))
    store = ClipStore.open_one(folder, video)
    place = store.videos[0] if store else None
    if store is None or place is None or not 0 <= clip < place.clips:
        raise InputError("{video} has no clip {n}", hint="choose another", video=video, n=clip + 1)
    pixels = np.moveaxis(store.clip(place.first + clip), 0, -1)
    frames, height, width, _ = pixels.shape
    small = _scaled(_scaled(pixels.astype(np.float64), 1, side), 2, side)
    data = np.rint(small).astype(np.uint8)
    return ClipFrames(video, clip, frames, min(side, height), min(side, width), data.tobytes())


def _scaled(pixels: NDArray[np.float64], axis: int, side: int) -> NDArray[np.float64]:
    """At most `side` along an axis, each the mean of the pixels that it covers."""
    import numpy as np

    whole = pixels.shape[axis]
    count = max(1, min(side, whole))
    edges = np.arange(count) * whole // count
    sizes = np.diff(np.append(edges, whole))
    shape = [1] * pixels.ndim
    shape[axis] = count
    scaled: NDArray[np.float64] = np.add.reduceat(pixels, edges, axis=axis) / sizes.reshape(shape)
    return scaled


def _latest(folders: Folders) -> tuple[Run, Path]:
    for folder in folders.all_runs():
        run = read_state(folder.journal)
        store = output(folders, run, "store") if run else None
        if run is not None and store is not None and store.is_dir():
            return run, store
    raise InputError("no run here has made clips yet", hint="run the preprocess stage")


def _aside(run: Run) -> dict[str, tuple[Line, str]]:
    found: dict[str, tuple[Line, str]] = {}
    for name, item, reason in _told(run):
        found.setdefault(item, (reason, name))
    return found


def _told(run: Run) -> Iterator[tuple[str, str, Line]]:
    by_name = {stage.name: stage for stage in run.stages}
    for name in STAGES:
        stage = by_name.get(name)
        for entry in stage.set_aside if stage else ():
            yield name, entry.item, entry.reason
        for entry in stage.outcome.set_aside if stage and stage.outcome else ():
            yield name, entry.item, entry.reason


def _labels(folders: Folders, run: Run) -> Mapping[str, str]:
    """Labels by video, as far as the annotation that the run made names them."""
    path = output(folders, run, "annotation")
    if path is None or not path.is_file():
        return {}
    return {video.id: video.label for video in read_annotation(path).videos}
