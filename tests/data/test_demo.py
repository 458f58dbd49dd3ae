"""The embedded demo: its films, its data set on disk, its checkpoint, and the folder that holds them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from backends.core.messages import InputError, NeedError, StageError
from backends.demo import demo_dataset
from backends.demo.demo_dataset import LONGEST, assets_folder, build_demo, demo_settings, make_demo_videos, write_video
from backends.demo.films import ACTIONS, HEIGHT, PARTNERS, WIDTH, Film, draw


def decoded(path: Path) -> list[np.ndarray]:
    """All frames of a video file."""
    reader, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := reader.read())[0]:
        frames.append(read[1])
    reader.release()
    return frames


def contents(folder: Path) -> dict[str, str]:
    """Every file under a folder, by its place, with a digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of one short validation video a class, so that building it takes a moment."""
    monkeypatch.setattr(demo_dataset, "VIDEOS_PER_CLASS", 1)
    monkeypatch.setattr(demo_dataset, "LENGTHS", (8,))
    monkeypatch.setattr(demo_dataset, "LONGEST", 9)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_film_is_the_same_every_time_and_moves(action: str) -> None:
    """Equal films give equal frames of 240 x 320 BGR bytes, and something in them moves."""
    first, again = list(draw(Film(action, "validation", 3, 5), 6)), list(draw(Film(action, "validation", 3, 5), 6))
    assert (HEIGHT, WIDTH, 3) == first[0].shape
    assert np.uint8 == first[0].dtype
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert np.abs(first[0].astype(int) - first[5]).max() > 40


def test_a_longer_film_begins_with_the_shorter_ones_frames() -> None:
    """The number of frames decides where a film ends and nothing else."""
    film = Film("grow", "training", 0, 5)
    assert all(np.array_equal(a, b) for a, b in zip(draw(film, 3), draw(film, 7), strict=False))


@pytest.mark.parametrize(
    "other", [Film("grow", "validation", 0, 5), Film("grow", "training", 1, 5), Film("grow", "training", 0, 6)]
)
def test_part_number_and_seed_make_another_film(other: Film) -> None:
    """What is learnt from and what is tested on never share a film."""
    mine = next(draw(Film("grow", "training", 0, 5), 1))
    assert not np.array_equal(mine, next(draw(other, 1)))


def test_the_actions_are_sorted_and_their_partners_agree() -> None:
    """Class order is that of the sorted names, and backwards twice is forwards."""
    assert sorted(ACTIONS) == list(ACTIONS)
    assert list(ACTIONS) == [PARTNERS[PARTNERS[action]] for action in ACTIONS]


def test_the_data_set_has_folders_by_class_and_hmdb51s_split_files(tmp_path: Path, small: None) -> None:
    """Videos stand at `<class>/<id>.avi` with the frames listed; split files mark training 1 and validation 2."""
    listed = make_demo_videos(tmp_path, 1, seed=5, training_per_class=1)
    assert {f"videos/{v.film.action}/{v.id}.avi" for v in listed} | {
        f"splits/{action}_test_split1.txt" for action in ACTIONS
    } == set(contents(tmp_path))
    assert [v.frames for v in listed] == [
        len(decoded(tmp_path / "videos" / v.film.action / f"{v.id}.avi")) for v in listed
    ]
    lines = (tmp_path / "splits" / "swing_test_split1.txt").read_text().splitlines()
    assert ["swing_t000.avi 1 ", "swing_v000.avi 2 "] == lines


def test_the_same_seed_writes_the_same_files(tmp_path: Path, small: None) -> None:
    """The codec too gives the same bytes, however the threads fall."""
    for name in ("one", "two"):
        make_demo_videos(tmp_path / name, 1, seed=5, training_per_class=0)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_list_holds_short_long_and_very_long_videos() -> None:
    """The full data set exercises looped clips, several clips a video, and the cut after ten."""
    listed = demo_dataset.demo_videos(demo_dataset.VIDEOS_PER_CLASS, demo_dataset.SEED)
    validation = [video for video in listed if video.film.part == "validation"]
    assert 80 == len(validation)
    assert len(listed) == len({video.id for video in listed})
    assert LONGEST == max(video.frames for video in validation) > 160
    assert min(video.frames for video in validation) < 16
    assert sum(min(10, -(-video.frames // 16)) for video in validation) < 300


def test_progress_counts_every_video(tmp_path: Path, small: None) -> None:
    """Whoever waits is told each video done, of how many."""
    told: list[tuple[int, int]] = []
    make_demo_videos(tmp_path, 1, seed=5, training_per_class=0, progress=lambda done, total: told.append((done, total)))
    assert [(n, 10) for n in range(1, 11)] == told


def test_a_video_that_does_not_become_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV is silent on a full disk: a file with fewer frames than were written is an error and is removed."""
    monkeypatch.setattr(demo_dataset, "_frame_count", lambda path: 1)
    with pytest.raises(StageError, match="did not become whole"):
        write_video(tmp_path / "a.avi", draw(Film("grow", "training", 0, 5), 3))
    assert {} == contents(tmp_path)


def test_the_demo_is_built_once(tmp_path: Path, small: None) -> None:
    """A second call leaves a whole demo as it is, with what a user added or changed in it."""
    folder = tmp_path / "deep" / "demo"
    build_demo(folder)
    (folder / "r3d.toml").write_text("# mine\n")
    (folder / "videos" / "swing" / "swing_v000.avi").unlink()
    before = contents(folder)
    build_demo(folder)
    assert before == contents(folder)


def test_a_demo_cut_off_is_completed(tmp_path: Path, small: None) -> None:
    """What is missing is made, what is there is kept, and the result equals an undisturbed one."""
    build_demo(tmp_path / "whole")
    build_demo(tmp_path / "cut")
    marker = tmp_path / "cut" / "demo.json"
    marker.write_text(marker.read_text().replace("true", "false"))
    kept = tmp_path / "cut" / "videos" / "grow" / "grow_v000.avi"
    stamp = kept.stat().st_mtime_ns
    (tmp_path / "cut" / "videos" / "swing" / "swing_v000.avi").unlink()
    (tmp_path / "cut" / "videos" / "swing" / ".swing_v000.77.part.avi").write_bytes(b"torn")
    (tmp_path / "cut" / "splits" / "grow_test_split1.txt").unlink()
    (tmp_path / "cut" / "checkpoint" / "demo_resnet10.pth").unlink()
    build_demo(tmp_path / "cut")
    assert contents(tmp_path / "whole") == contents(tmp_path / "cut")
    assert stamp == kept.stat().st_mtime_ns


@pytest.mark.parametrize("marker", [None, b"", b"[]", b'{"seed": 1}', b"\xff\xfe"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, marker: bytes | None) -> None:
    """A folder that holds anything but our demo is refused in one line and not touched."""
    (tmp_path / "thesis.txt").write_text("years of work")
    if marker is not None:
        (tmp_path / "demo.json").write_bytes(marker)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="something that is not the demo") as caught:
        build_demo(tmp_path)
    assert "\n" not in str(caught.value)
    assert before == contents(tmp_path)


def test_a_demo_of_another_version_is_refused(tmp_path: Path) -> None:
    """Files of two versions are never mixed."""
    (tmp_path / "demo.json").write_text(json.dumps({"demo": 0, "seed": 51, "whole": True}))
    with pytest.raises(InputError, match="another version"):
        build_demo(tmp_path)


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    """The demo needs a folder."""
    (tmp_path / "demo").write_text("")
    for place in (tmp_path / "demo", tmp_path / "demo" / "below"):
        with pytest.raises(InputError, match=r"[Nn]ot a (folder|directory)"):
            build_demo(place)


@pytest.mark.parametrize(("cores", "devices"), [({0}, (0,)), ({0, 1}, (0, 1)), ({2, 3, 5, 7}, (0, 1))])
def test_the_settings_fit_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: set[int], devices: tuple[int, ...]
) -> None:
    """They name the demo's folders, its small network, and two devices where there are cores for them."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: cores)
    settings = demo_settings(tmp_path)
    assert (tmp_path / "videos", tmp_path / "splits", 1) == (
        settings.dataset.videos,
        settings.dataset.splits,
        settings.dataset.split,
    )
    assert (10, 10, 0.125, 3) == (
        settings.model.depth,
        settings.model.classes,
        settings.model.widen,
        settings.model.conv1_t_size,
    )
    assert devices == settings.infer.devices


def test_relative_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings hold absolute paths wherever the program was called."""
    monkeypatch.chdir(tmp_path)
    assert tmp_path / "here" / "videos" == demo_settings(Path("here")).dataset.videos


def test_missing_assets_are_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An incomplete installation is a need that is not met, and leaves no half-made folder."""
    monkeypatch.setattr(demo_dataset, "__file__", str(tmp_path / "lib" / "backends" / "demo" / "demo_dataset.py"))
    with pytest.raises(NeedError, match="are missing"):
        build_demo(tmp_path / "demo")
    assert {} == contents(tmp_path)


def test_installed_assets_are_found_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wheel the folder stands in `backends`, where it wins over one beside the packages."""
    monkeypatch.setattr(demo_dataset, "__file__", str(tmp_path / "backends" / "demo" / "demo_dataset.py"))
    for folder in ("assets", "backends/_assets"):
        (tmp_path / folder / "demo").mkdir(parents=True)
        (tmp_path / folder / "demo" / demo_dataset.CHECKPOINT).write_bytes(b"")
        assert tmp_path / folder == assets_folder()


def test_the_checkpoint_is_the_references_and_small() -> None:
    """It loads without running code, has the reference's five entries and tensors, and stays under 1.5 MB."""
    torch = pytest.importorskip("torch")
    from backends.models.families import network_of
    from backends.models.network import Architecture

    path = assets_folder() / "demo" / demo_dataset.CHECKPOINT
    assert path.stat().st_size < 1_500_000
    found = torch.load(path, map_location="cpu", weights_only=True)
    assert {"epoch", "arch", "state_dict", "optimizer", "scheduler"} == set(found)
    assert "resnet-10" == found["arch"]
    wanted = Architecture(
        demo_dataset.DEPTH, len(ACTIONS), widen=demo_dataset.WIDEN, conv1_t_size=demo_dataset.CONV1_T_SIZE
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in found["state_dict"].items()}
    assert network_of(wanted).tensors() == shapes
    assert (len(ACTIONS), 64) == tuple(found["state_dict"]["fc.weight"].shape)


def test_the_recipe_says_what_was_measured() -> None:
    """The recipe that travels with the checkpoint names its seed, labels and held-out accuracy, over 90 %."""
    recipe = json.loads((assets_folder() / "demo" / "recipe.json").read_text())
    assert list(ACTIONS) == recipe["labels"]
    assert demo_dataset.SEED == recipe["recipe"]["seed"]
    assert recipe["measured"]["held_out"]["top1"] > 0.9
    assert recipe["measured"]["demo"]["top1"] > 0.9
