"""The registry of data sets, and what each refuses."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.core.messages import InputError
from backends.data import datasets
from backends.data.annotate import run
from backends.data.annotation import name_problem, read_annotation
from backends.data.datasets.class_folders import subset_by_share
from tests.data.conftest import JobMaker

OWN = """
from backends.data.datasets import Dataset, ListedVideo, list_lines, usable


class Dogs(Dataset):
    name, title, form = "dogs", "Dogs at play", "dogs.lst"

    def splits(self, names):
        return (1,) if "dogs.lst" in names else ()

    def read(self, folder, split):
        videos = [ListedVideo(*text.split()) for text in list_lines(folder / "dogs.lst") if text]
        return usable([video.label for video in videos], videos)

    def json_name(self, split):
        return "dogs.json"

    def class_of(self, video):
        return "fetch" if video.startswith("fetch") else None
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[None]:
    """A module of a new data set, found for as long as the test runs."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/dogs.py").write_text(OWN)
    datasets.__path__.append(str(tmp_path / "modules"))
    datasets.datasets.cache_clear()
    yield
    datasets.__path__.pop()
    del sys.modules["backends.data.datasets.dogs"]
    datasets.datasets.cache_clear()


def _write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def _frames(root: Path, *videos: str) -> Path:
    for video in videos:
        (root / video).mkdir(parents=True)
        (root / video / "image_00001.jpg").touch()
    return root


@pytest.mark.usefixtures("own")
def test_a_new_module_is_a_data_set(tmp_path: Path, job: JobMaker) -> None:
    """One file, no list to edit: it is recognised, and its lists become an annotation in its class order."""
    lists = _write(tmp_path / "lists", dogs__lst="a sit validation\nb fetch training\n")
    found = datasets.known_lists(lists)
    assert "Dogs at play" == found.title
    assert "dogs" == datasets.named("dogs").name
    run(job(inputs={"splits": lists, "frames": _frames(tmp_path / "frames", "sit/a", "fetch/b")}))
    assert ("sit", "fetch") == read_annotation(tmp_path / "out/annotation.json").labels


def test_lists_of_no_known_data_set_are_refused_with_the_forms_that_are(tmp_path: Path) -> None:
    """One line names the folder and what each data set's lists are called."""
    with pytest.raises(InputError, match=r"no lists of a known data set .*UCF-101: classInd\.txt") as caught:
        datasets.read_lists(_write(tmp_path / "x", readme="nothing"), 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="--dataset=imagenet: not known"):
        datasets.named("imagenet")


def test_the_classes_of_ucf101_may_differ_in_case(tmp_path: Path) -> None:
    """A list that writes HandStandPushups means the class HandstandPushups."""
    lists = _write(
        tmp_path / "l",
        classInd__txt="1 Typing\r\n2 HandstandPushups\r\n",
        testlist01__txt="HandStandPushups/v_HandStandPushups_g01_c01.avi\nnothing\n",
    )
    _, read = datasets.read_lists(lists, 1)
    assert [("v_HandStandPushups_g01_c01", "HandstandPushups")] == [(v.id, v.label) for v in read.videos]
    assert ["line 2 of testlist01.txt: not <class>/<video>"] == [str(one.reason) for one in read.skipped]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"classInd__txt": "Typing\n", "testlist01__txt": "Typing/a.avi\n"}, "not a list of classes"),
        ({"train__csv": "a,b\n", "val__csv": "a,b\n"}, "not a list of Kinetics"),
    ],
)
def test_a_list_in_another_form_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """The line says which file it is and what its lines should be."""
    with pytest.raises(InputError, match=words):
        datasets.read_lists(_write(tmp_path / "l", **files), 1)


def test_lists_of_ones_own_folders(tmp_path: Path) -> None:
    """`val.txt` and `train.txt` with `<class>/<video>`; classes are sorted, or in the order of classes.txt."""
    lists = _write(tmp_path / "l", val__txt="run/a.mp4 1\nwave/b\n", train__txt="jump/c.avi,2\n")
    _, read = datasets.read_lists(lists, 1)
    assert ("jump", "run", "wave") == read.labels
    expected = {("c", "jump", "training"), ("a", "run", "validation"), ("b", "wave", "validation")}
    assert expected == {(video.id, video.label, video.subset) for video in read.videos}
    _write(lists, classes__txt="wave\nrun\njump\n")
    assert ("wave", "run", "jump") == datasets.read_lists(lists, 1)[1].labels


def test_a_share_of_the_videos_is_the_same_whatever_else_lies_there(tmp_path: Path, job: JobMaker) -> None:
    """The names choose; about the share of them are of the subset, the others are training."""
    names = [f"v{number}" for number in range(2000)]
    chosen = {name for name in names if subset_by_share("wave", name, 0.3, "validation") == "validation"}
    assert 0.26 < len(chosen) / len(names) < 0.34
    videos = [f"wave/{name}" for name in names[:20]]
    run(job(inputs={"frames": _frames(tmp_path / "frames", *videos)}, params={"share": 0.3}))
    made = read_annotation(tmp_path / "out/annotation.json")
    assert chosen & set(names[:20]) == {video.id for video in made.subset("validation")}


def test_kinetics_lists_of_two_sizes_need_a_number(tmp_path: Path) -> None:
    """Where 400 and 700 classes lie side by side nothing is guessed."""
    text = "label,youtube_id,time_start,time_end,split\nrun,x,1,2,t\n"
    files = {f"kinetics-{n}_{part}__csv": text for n in (400, 700) for part in ("train", "val")}
    with pytest.raises(InputError, match=r"set dataset\.split to one of 400, 700"):
        datasets.read_lists(_write(tmp_path / "l", **files), 1)


LISTS = {
    "ucf101": ("classInd.txt", "trainlist01.txt", "testlist01.txt"),
    "kinetics": ("train.csv", "val.csv", "test.csv"),
    "hmdb51": ("wave_test_split1.txt",),
    "mit": ("moments_categories.txt", "trainingSet.csv", "validationSet.csv", "testingSet.csv"),
    "folders": ("val.txt", "train.txt", "classes.txt"),
}
ROW = st.sampled_from(
    [
        b"label,youtube_id,time_start,time_end",
        b"a,b,1,2",
        b"a,b,1e400,nan",
        b"1 a",
        b"a/b.avi",
        b"a/b.avi 1",
        b'"',
        b"\0",
    ]
)
TEXTS = st.one_of(st.binary(max_size=60), st.lists(ROW, max_size=5).map(b"\n".join))


@pytest.mark.parametrize("name", LISTS)
@given(st.lists(TEXTS, min_size=4, max_size=4))
@example([b"label,youtube_id,time_start,time_end\n" + b"a" * 200_000 + b",b,1,2"] * 4)
def test_any_bytes_in_a_list_give_videos_or_one_line(name: str, texts: list[bytes]) -> None:
    """Only errors of ours, of one line; what is read has usable names, and labels that are among the classes."""
    with tempfile.TemporaryDirectory() as folder:
        for file, text in zip(LISTS[name], texts, strict=False):
            (Path(folder) / file).write_bytes(text)
        try:
            _, lists = datasets.read_lists(Path(folder), 1, datasets.named(name))
        except InputError as error:
            assert "\n" not in str(error)
            return
    assert len({video.id for video in lists.videos}) == len(lists.videos)
    assert all(name_problem(video.id) is None for video in lists.videos)
    assert {video.label for video in lists.videos} - {""} <= set(lists.labels)
