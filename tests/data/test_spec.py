"""The stages of the data package for the plan."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from backends.core.settings import DatasetSettings, Settings
from backends.data.data_specs import ANNOTATE, FRAMES, PREPROCESS
from backends.data.datasets.hmdb51 import HMDB51

VIDEOS, FRAME_FOLDER, JSON, SPLITS = Path("/v"), Path("/f"), Path("/a.json"), Path("/s")


def _settings(**fields: object) -> Settings:
    return Settings(dataset=DatasetSettings(**fields))  # type: ignore[arg-type]


def test_videos_are_read_with_what_tells_their_class() -> None:
    """The frames stage reads the videos, and the annotation or the split files for those in a flat folder."""
    assert {"videos": VIDEOS} == FRAMES.plan(_settings(videos=VIDEOS)).inputs
    assert {"videos": VIDEOS, "annotation": JSON} == FRAMES.plan(_settings(videos=VIDEOS, annotation=JSON)).inputs
    stage = FRAMES.plan(_settings(videos=VIDEOS, splits=SPLITS, split=2))
    assert ({"videos": VIDEOS, "splits": SPLITS}, 2) == (stage.inputs, stage.params["split"])
    assert stage.skip is None


def test_frames_that_are_there_skip_the_stage() -> None:
    """Given frames, the frames stage does not apply, says why, and the annotate stage reads them."""
    settings = _settings(frames=FRAME_FOLDER, annotation=JSON)
    assert "the frames are there already: /f" == str(FRAMES.plan(settings).skip)
    assert {"frames": FRAME_FOLDER, "annotation": JSON} == ANNOTATE.plan(settings).inputs


def test_without_kept_frames_preprocess_reads_the_videos() -> None:
    """The frames stage does not apply; annotate looks at the videos only where nothing lists them."""
    settings = _settings(videos=VIDEOS, splits=SPLITS, keep_frames=False)
    assert "dataset.keep_frames" in str(FRAMES.plan(settings).skip)
    assert {} == FRAMES.plan(settings).inputs
    assert {"splits": SPLITS} == ANNOTATE.plan(settings).inputs
    assert {"videos": VIDEOS} == PREPROCESS.plan(settings).inputs
    assert {"videos": VIDEOS} == ANNOTATE.plan(_settings(videos=VIDEOS, keep_frames=False)).inputs
    given = _settings(videos=VIDEOS, frames=FRAME_FOLDER, keep_frames=False)
    assert {"frames": FRAME_FOLDER} == PREPROCESS.plan(given).inputs


def test_kept_frames_are_followed_and_decide_no_clip() -> None:
    """Preprocess runs beside frames, with the inputs that it has without; annotate depends on no frames."""
    kept, memory = (_settings(videos=VIDEOS, splits=SPLITS, keep_frames=keep) for keep in (True, False))
    assert PREPROCESS.plan(memory) == replace(PREPROCESS.plan(kept), follows=())
    assert ("frames",) == PREPROCESS.plan(kept).follows
    assert not PREPROCESS.plan(kept).reads["frames"].in_key
    assert ANNOTATE.plan(memory) == ANNOTATE.plan(kept)
    assert ("check",) == ANNOTATE.after
    assert () == PREPROCESS.plan(_settings(videos=VIDEOS, frames=FRAME_FOLDER)).follows


def test_annotate_depends_only_on_what_it_uses() -> None:
    """Split and class number are parameters only where they decide the outcome; the subset always is."""
    assert {"subset": "validation"} == ANNOTATE.plan(_settings(annotation=JSON)).params
    assert {"subset": "validation", "split": 3} == ANNOTATE.plan(_settings(splits=SPLITS, split=3)).params
    assert {"subset": "training", "classes": None, "share": None} == ANNOTATE.plan(_settings(subset="training")).params
    assert {"labels": Path("/names.txt")} == ANNOTATE.plan(_settings(labels="/names.txt")).inputs


def test_the_51_names_are_sorted() -> None:
    """Checkpoints number HMDB51's classes in alphabetical order."""
    assert 51 == len(HMDB51)
    assert sorted(HMDB51) == list(HMDB51)
