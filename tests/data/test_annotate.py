"""The annotate stage: the guide's json from an annotation, from split files, from folders alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backends.core.events import ItemSetAside, StageNote
from backends.core.messages import InputError
from backends.data.annotate import run, step_annotate
from backends.data.annotation import read_annotation
from backends.data.datasets.hmdb51 import HMDB51
from tests.data.conftest import JobMaker


def _frames(root: Path, **folders: int) -> Path:
    """Frame folders from `class__video=count`."""
    for name, count in folders.items():
        folder = root / name.replace("__", "/")
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / f"image_{number:05d}.jpg").touch()
    return root


def _annotation(path: Path, **videos: tuple[str, str, int]) -> Path:
    database = {
        name: {"subset": subset, "annotations": {"label": label, "segment": [1, end]}}
        for name, (subset, label, end) in videos.items()
    }
    path.write_text(json.dumps({"labels": ["run", "wave"], "database": database}))
    return path


def _aside(job: object) -> dict[str, str]:
    return {event.item: str(event.reason) for event in job.said if isinstance(event, ItemSetAside)}  # type: ignore[attr-defined]


def _notes(job: object) -> list[str]:
    return [str(event.text) for event in job.said if isinstance(event, StageNote)]  # type: ignore[attr-defined]


def test_the_reference_annotation_comes_out_as_it_went_in(shared: Path, tmp_path: Path, job: JobMaker) -> None:
    """The guide's own file for split 1 is written again with the same bytes."""
    source = shared / "data/reference/hmdb51_1.json"
    outcome = run(job(inputs={"annotation": source}, params={"subset": "validation"}))
    assert source.read_bytes() == (tmp_path / "out/annotation.json").read_bytes()
    assert {"classes": 51, "videos": 5100, "subset_videos": 1530, "missing": None, "unlisted": 0} == outcome.figures
    assert {"annotation": "annotation.json"} == outcome.outputs


def test_videos_without_frames_are_counted(shared: Path, job: JobMaker) -> None:
    """The golden annotation names one video that has no frames; it is counted and noted, not removed."""
    golden = shared / "data/golden"
    made = job(inputs={"annotation": golden / "annotation.json", "frames": golden / "frames"})
    outcome = run(made)
    assert (13, 12, 1) == tuple(outcome.figures[name] for name in ("videos", "subset_videos", "missing"))
    assert ["1 of 12 videos of the subset have no frames"] == _notes(made)


def test_a_wrong_folder_of_frames_is_refused(tmp_path: Path, job: JobMaker) -> None:
    """Where no video of the subset has frames, the folder is the wrong one, and the line shows what it should hold."""
    inputs = {
        "annotation": _annotation(tmp_path / "a.json", a=("validation", "wave", 3)),
        "frames": _frames(tmp_path / "frames", run__a=2),
    }
    with pytest.raises(InputError, match="such as wave/a"):
        run(job(inputs=inputs))


def test_an_empty_subset_is_refused(tmp_path: Path, job: JobMaker) -> None:
    """A subset that is not there is named, with those that are."""
    annotation = _annotation(tmp_path / "a.json", a=("validation", "wave", 3), b=("training", "run", 3))
    with pytest.raises(InputError, match=r"subset testing .*'training' \(1\)"):
        run(job(inputs={"annotation": annotation}, params={"subset": "testing"}))


def test_unusable_entries_are_set_aside_by_name(tmp_path: Path, job: JobMaker) -> None:
    """A bad entry does not end the stage; it is named and is not in the output."""
    annotation = _annotation(tmp_path / "a.json", a=("validation", "wave", 3), b=("validation", "fly", 3))
    made = job(inputs={"annotation": annotation})
    run(made)
    assert {"b": "the label 'fly' is not in the list of labels"} == _aside(made)
    assert ["a"] == [video.id for video in read_annotation(tmp_path / "out/annotation.json").videos]


def _splits(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def test_split_files_and_frames_give_the_guides_json(tmp_path: Path, job: JobMaker) -> None:
    """Labels are sorted, a video's segment ends one past its last frame, and the form is that of `hmdb51_json.py`."""
    splits = _splits(
        tmp_path / "splits", wave_test_split1="a.avi 2 \nb.avi 1 \nc.avi 0 \n", run_test_split1="d.avi 2 \n"
    )
    frames = _frames(tmp_path / "frames", wave__a=3, wave__b=1, run__d=2)
    (frames / "wave/a/notes.txt").touch()
    (frames / "wave/a/.image_hidden.jpg").touch()
    outcome = run(job(inputs={"splits": splits, "frames": frames}, params={"split": 1}))
    entry = '{"subset": "%s", "annotations": {"label": "%s", "segment": [1, %d]}}'
    expected = (
        '{"labels": ["run", "wave"], "database": {"d": '
        + entry % ("validation", "run", 3) + ', "a": ' + entry % ("validation", "wave", 4)
        + ', "b": ' + entry % ("training", "wave", 2) + "}}"
    )  # fmt: skip
    assert expected == (tmp_path / "out/annotation.json").read_text()
    assert {"classes": 2, "videos": 3, "subset_videos": 2, "missing": 0, "unlisted": 0} == outcome.figures


def test_the_reference_is_rebuilt_from_split_files(shared: Path, tmp_path: Path, job: JobMaker) -> None:
    """Split files and frame folders made to the reference's numbers give its entries again, subset by subset."""
    reference = read_annotation(shared / "data/reference/hmdb51_1.json")
    chosen = [video for video in reference.videos if video.label in ("wave", "climb_stairs") and video.frames < 60]
    lines: dict[str, str] = {}
    for video in chosen:
        code = {"training": 1, "validation": 2}[video.subset]
        name = f"{video.label}_test_split1"
        lines[name] = lines.get(name, "") + f"{video.id}.avi {code} \n"
        folder = tmp_path / "frames" / video.label / video.id
        folder.mkdir(parents=True)
        for number in range(video.first, video.end):
            (folder / f"image_{number:05d}.jpg").touch()
    inputs = {"splits": _splits(tmp_path / "splits", **lines), "frames": tmp_path / "frames"}
    run(job(inputs=inputs, params={"split": 1}))
    made = read_annotation(tmp_path / "out/annotation.json")
    assert len(chosen) > 20
    assert set(chosen) == set(made.videos)


def test_listed_videos_without_frames_stay_listed(tmp_path: Path, job: JobMaker) -> None:
    """An empty folder gives the segment [1, 1], as the reference's script writes it, and no folder gives none: both
    count for the accuracy of all videos."""
    text = "a.avi 2\nb.avi 2\nc.avi 1\nd.avi 2\n"
    frames = _frames(tmp_path / "frames", wave__a=3, wave__b=0)
    made = job(inputs={"splits": _splits(tmp_path / "splits", wave_test_split1=text), "frames": frames})
    outcome = run(made)
    entries = json.loads((tmp_path / "out/annotation.json").read_text())["database"]
    segments = {name: entry["annotations"].get("segment") for name, entry in entries.items()}
    assert {"a": [1, 4], "b": [1, 1], "c": None, "d": None} == segments
    assert {} == _aside(made)
    assert (3, 2) == (outcome.figures["subset_videos"], outcome.figures["missing"])


def test_folders_alone_give_every_video(tmp_path: Path, job: JobMaker) -> None:
    """Without annotation and split files each video is of the subset, its folder is its label, and a note says so."""
    frames = _frames(tmp_path / "frames", jump2__a=3, dance__b=1, dance__empty=0)
    made = job(inputs={"frames": frames}, params={"subset": "testing", "classes": None})
    outcome = run(made)
    annotation = read_annotation(tmp_path / "out/annotation.json")
    assert ("dance", "jump2") == annotation.labels
    assert [("b", "testing", 2), ("a", "testing", 4)] == [(v.id, v.subset, v.end) for v in annotation.videos]
    assert {"dance/empty": "it has no frames"} == _aside(made)
    assert "no annotation is given" in _notes(made)[0]
    assert 0 == outcome.figures["missing"]


@pytest.mark.parametrize(("classes", "expected"), [(None, HMDB51), (51, HMDB51), (2, ("kick", "wave"))])
def test_hmdb51s_names_are_used_where_they_fit(
    tmp_path: Path, job: JobMaker, classes: int | None, expected: tuple[str, ...]
) -> None:
    """Folders that are all HMDB51 classes take its 51 numbers, unless the model has another number of classes."""
    frames = _frames(tmp_path / "frames", wave__a=1, kick__b=1)
    run(job(inputs={"frames": frames}, params={"classes": classes}))
    assert expected == read_annotation(tmp_path / "out/annotation.json").labels


@pytest.mark.parametrize("text", ["run\n# a remark\nwave\n", '["run", "wave"]', "1 run\r\n2 wave\r\n"])
def test_a_file_of_names_gives_the_classes(tmp_path: Path, job: JobMaker, text: str) -> None:
    """Names a line, numbered lines or a JSON list; a folder that is none of them is set aside."""
    (tmp_path / "labels.txt").write_bytes(text.encode())
    frames = _frames(tmp_path / "frames", wave__a=1, fly__b=1)
    made = job(inputs={"frames": frames, "labels": tmp_path / "labels.txt"})
    run(made)
    assert ("run", "wave") == read_annotation(tmp_path / "out/annotation.json").labels
    assert ["fly/b"] == list(_aside(made))


@pytest.mark.parametrize("given", [True, False])
def test_labels_keep_the_order_that_numbers_the_classes(tmp_path: Path, job: JobMaker, *, given: bool) -> None:
    """The annotation's own order, or that of a file of names: neither is sorted."""
    (tmp_path / "labels.txt").write_text("wave\nrun\n")
    entry = {"subset": "validation", "annotations": {"label": "wave", "segment": [1, 2]}}
    labels = ["run", "wave"] if given else ["wave", "run"]
    (tmp_path / "a.json").write_text(json.dumps({"labels": labels, "database": {"a": entry}}))
    inputs = {"annotation": tmp_path / "a.json", **({"labels": tmp_path / "labels.txt"} if given else {})}
    run(job(inputs=inputs))
    made = read_annotation(tmp_path / "out/annotation.json")
    assert ("wave", "run") == made.labels


@pytest.mark.parametrize("data", [b"", b"a\na\n", b"\xff\xfe\x00", b"../x\n"])
def test_a_bad_file_of_names_is_refused(tmp_path: Path, job: JobMaker, data: bytes) -> None:
    """No names, a name twice, another encoding, or a path end in one line."""
    (tmp_path / "labels.txt").write_bytes(data)
    inputs = {"frames": _frames(tmp_path / "frames", wave__a=1), "labels": tmp_path / "labels.txt"}
    with pytest.raises(InputError, match=r"labels\.txt"):
        run(job(inputs=inputs))


def test_nothing_at_all_is_refused(tmp_path: Path, job: JobMaker) -> None:
    """Without annotation and frames, and with an empty folder of frames, one line says what is wanted."""
    with pytest.raises(InputError, match="no frames are given"):
        run(job())
    with pytest.raises(InputError, match="no frames"):
        run(job(inputs={"frames": _frames(tmp_path / "frames", wave__a=0) / "wave"}))
    with pytest.raises(InputError, match="no folder of frames"):
        run(job(inputs={"frames": tmp_path / "absent"}))


def test_the_step_writes_the_guides_names(tmp_path: Path, job: JobMaker) -> None:
    """`step annotate SPLITS FRAMES DESTINATION` writes hmdb51_1.json, _2 and _3, or one where a split is asked for."""
    texts = {f"wave_test_split{n}": f"a.avi 2\nb.avi {n % 3}\n" for n in (1, 2, 3)}
    params = {
        "dir_path": str(_splits(tmp_path / "splits", **texts)),
        "video_path": str(_frames(tmp_path / "frames", wave__a=2, wave__b=3)),
        "dst_dir_path": str(tmp_path / "to"),
    }
    outcome = step_annotate(job(params=params))
    assert ["hmdb51_1.json", "hmdb51_2.json", "hmdb51_3.json"] == sorted(p.name for p in (tmp_path / "to").iterdir())
    assert {"annotation_1", "annotation_2", "annotation_3"} == set(outcome.outputs)
    assert ["a", "b"] == [video.id for video in read_annotation(tmp_path / "to/hmdb51_1.json").videos]
    assert ["a"] == [video.id for video in read_annotation(tmp_path / "to/hmdb51_3.json").videos]
    step_annotate(job(params={**params, "dst_dir_path": str(tmp_path / "one"), "split": 2}))
    assert ["hmdb51_2.json"] == [path.name for path in (tmp_path / "one").iterdir()]
