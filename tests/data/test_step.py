"""`step preprocess`: the guide's script by its own options."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from backends.core.events import Event, ItemSetAside, Outcome
from backends.core.messages import InputError, StageError
from backends.core.stage_request import Request
from backends.data.preprocess import step_preprocess
from backends.worker.job import Job
from tests.data import reference
from tests.data.conftest import Bench


def step(folder: Path, events: list[Event] | None = None, **params: Any) -> Outcome:
    """Run the step with these options."""
    said: list[Event] = [] if events is None else events
    request = Request("preprocess", "", 1, folder, folder / "out", folder / "scratch", params)
    return step_preprocess(Job(request, said.append))


def options(bench: Bench) -> dict[str, str]:
    """The guide's options for a bench."""
    return {
        "video_path": str(bench.frames),
        "annotation_path": str(bench.folder / "annotation.json"),
        "output_path": str(bench.folder / "Binary_hmdb51"),
        "info_path": str(bench.folder / "hmdb51.info"),
    }


@pytest.mark.slow
@pytest.mark.usefixtures("each_kernel")
def test_the_golden_videos_give_the_guides_bytes(shared: Path, tmp_path: Path) -> None:
    """Eleven of eleven `.bin` files and hmdb51.info are the guide's, with the C kernels and without."""
    golden = shared / "data" / "golden"
    outcome = step(
        tmp_path,
        video_path=str(golden / "frames"),
        annotation_path=str(golden / "annotation.json"),
        output_path=str(tmp_path / "bins"),
        info_path=str(tmp_path / "hmdb51.info"),
        dataset="hmdb51",
        inference_batch_size=1,
    )
    bins = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "bins").iterdir()}
    assert json.loads((golden / "bin_sha256.json").read_text()) == bins
    assert (golden / "hmdb51.info").read_bytes() == (tmp_path / "hmdb51.info").read_bytes()
    assert (11, 47, 51) == tuple(outcome.figures[name] for name in ("videos", "clips", "clips_before_cut"))


def test_bins_are_padded_and_cut_to_ten_clips(bench: Bench) -> None:
    """After a long video a short one's file still ends in zeros; the info file tells the clips before the cut."""
    bench.add("long", 170)
    bench.add("short", 20)
    bench.annotate("absent", 20)
    events: list[Event] = []
    step(bench.folder, events, **options(bench))
    for name, frames in (("long", 170), ("short", 20)):
        expected = reference.bin_bytes(reference.clips(bench.frames / "wave" / name, 1, frames + 1))
        assert expected == (bench.folder / "Binary_hmdb51" / f"{name}.bin").read_bytes()
    assert b"long 11\nshort 2\n" == (bench.folder / "hmdb51.info").read_bytes()
    assert ["absent"] == [event.item for event in events if isinstance(event, ItemSetAside)]


def test_another_subset_than_validation_may_be_named(bench: Bench) -> None:
    """`--subset training` writes the training videos and no other; an unknown one is named."""
    bench.add("seen", 3)
    bench.add("asked", 3)
    bench.annotate("asked", 3, subset="training")
    step(bench.folder, **options(bench), subset="training")
    assert b"asked 1\n" == (bench.folder / "hmdb51.info").read_bytes()
    with pytest.raises(InputError, match="no video of subset testing; it has training, validation"):
        step(bench.folder, **options(bench), subset="testing")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inference_batch_size": 10}, "--inference_batch_size=10: only 1 can be written"),
        ({"dataset": "imagenet"}, r"--dataset=imagenet: not known \(one of folders, hmdb51, kinetics, mit, ucf101\)"),
        ({"output_path": "/proc/nothing"}, r"/proc/nothing: .*name a folder that can be written"),
        ({"info_path": "/proc/nothing/hmdb51.info"}, r"/proc/nothing: .*name a folder that can be written"),
        ({"video_path": "/nowhere"}, "--video_path=/nowhere: no such folder"),
        ({"annotation_path": "/nowhere.json"}, "/nowhere.json: No such file"),
    ],
)
def test_options_that_cannot_be_met_are_explained(bench: Bench, wrong: dict[str, Any], message: str) -> None:
    """Each wrong option gets one line that names it, before any work, with what to give instead."""
    bench.add("a", 1)
    with pytest.raises(InputError, match=message):
        step(bench.folder, **{**options(bench), **wrong})
    assert not (bench.folder / "hmdb51.info").exists()


def test_nothing_usable_is_an_error(bench: Bench) -> None:
    """With no usable video there is no info file, and the error says how frames must lie."""
    bench.annotate("absent", 3)
    bench.frames.mkdir()
    with pytest.raises(StageError, match="no video could be used"):
        step(bench.folder, **options(bench))
    assert not (bench.folder / "hmdb51.info").exists()
