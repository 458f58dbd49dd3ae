"""The form that makes a workspace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from backends.core.errors import InputError
from backends.core.messages import line
from backends.core.values import DeviceSample
from r3d_tui.app import ConsoleApp
from r3d_tui.screens import setup
from r3d_tui.screens.setup import Setup, Verdict
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient, Story

Console = Callable[..., ConsoleApp]


@dataclass
class Found:
    """What the folder holds."""

    videos: tuple[Path, ...] = ()
    frames: tuple[Path, ...] = ()
    annotations: tuple[Path, ...] = ()
    splits: tuple[Path, ...] = ()
    checkpoints: tuple[Path, ...] = ()


class Door:
    """In place of `backends.api`."""

    def __init__(self, folder: Path) -> None:
        self.made: list[dict[str, Any]] = []
        self.refuse: InputError | None = None
        self.chips: tuple[DeviceSample, ...] = ()
        self.found = Found(
            videos=(folder / "videos", folder / "more"),
            annotations=(folder / "hmdb51_1.json",),
            checkpoints=(folder / "r3d50.pth",),
        )

    def find_workspace(self, folder: Path) -> Path | None:
        return None

    def find_candidates(self, folder: Path) -> Found:
        return self.found

    def likely_target(self) -> str:
        return "ascend" if self.chips else "cpu"

    @contextlib.contextmanager
    def sample_devices(self, target: str) -> Iterator[Iterator[tuple[DeviceSample, ...]]]:
        yield iter([self.chips])

    def init_workspace(self, folder: Path, **answers: Any) -> Path:
        if self.refuse is not None:
            raise self.refuse
        self.made.append(answers)
        return folder / "r3d.toml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with data and no r3d.toml."""
    for name in ("videos", "more"):
        (tmp_path / name).mkdir()
    for name in ("hmdb51_1.json", "r3d50.pth"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def door(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    """The door of the backends, replaced."""
    import backends
    import backends.api

    made = Door(folder)
    monkeypatch.setattr(backends, "api", made)
    return made


@pytest.fixture
def empty(folder: Path) -> ReplayClient:
    """A client of a folder where nothing is."""
    from backends.core.messages import line

    problem = line("{path}: there is no r3d.toml", path=str(folder))
    return ReplayClient(Story("", folder, 0.0, None, None, problem, (), ()))


def _form(app: ConsoleApp) -> Setup:
    assert isinstance(app.screen, Setup)
    return app.screen


async def test_the_form_opens_with_what_was_found_and_writes(
    empty: ReplayClient, door: Door, folder: Path, console: Console
) -> None:
    """In a folder without r3d.toml the form comes up filled in; ^S writes what it shows."""
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["checkpoint"].value == "r3d50.pth")
        assert ("videos", "", "hmdb51_1.json") == tuple(
            form._inputs[n].value for n in ("videos", "frames", "annotation")
        )
        await pilot.press("down")
        assert "more" == form._inputs["videos"].value
        await until(pilot, lambda: form._verdicts.get("checkpoint") is not None)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: door.made)
        await until(pilot, lambda: app.screen is app.board)
    expected = {
        "videos": folder / "more",
        "frames": None,
        "annotation": folder / "hmdb51_1.json",
        "splits": None,
        "checkpoint": folder / "r3d50.pth",
        "target": "cpu",
        "devices": None,
    }
    assert [expected] == door.made


async def test_what_is_lacking_or_refused_is_said(empty: ReplayClient, door: Door, console: Console) -> None:
    """Without a checkpoint nothing is written; what the backends refuse stands in the form with its mend."""
    door.found = replace(door.found, checkpoints=())
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["videos"].value)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "a checkpoint is needed" in form._trouble.plain_text())
        assert "a checkpoint is needed" in form._about["checkpoint"].plain_text()
        form._inputs["checkpoint"].value = "r3d50.pth"
        door.refuse = InputError("{path}: not a checkpoint", hint="give another", path="/x\x1b[2J")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "/x: not a checkpoint\ngive another" in form._trouble.plain_text())
        assert [] == door.made
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.board)


async def test_a_field_is_judged_while_one_types(empty: ReplayClient, door: Door, console: Console) -> None:
    """A path that is not there is said so at once and keeps the form from writing."""
    app = console(empty)
    async with app.run_test(size=(60, 20)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["videos"].value)
        await pilot.press("end", "x", "x")
        await until(pilot, lambda: form._verdicts.get("videos") == Verdict("missing", "bad", True))
        await pilot.press("ctrl+s")
        await pilot.pause(0.1)
        assert [] == door.made


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("videos", "videos", "bare"),
        ("splits", ".", "ok"),
        ("annotation", "hmdb51_1.json", "no_labels"),
        ("checkpoint", "r3d50.pth", "no_checkpoint"),
        ("videos", "hmdb51_1.json", "not_folder"),
        ("checkpoint", "videos", "not_file"),
        ("checkpoint", "nowhere.pth", "missing"),
        ("frames", "", "empty"),
        ("target", "gpu", "target_wrong"),
        ("devices", "0, 1", "ok"),
        ("devices", "0,one", "devices_wrong"),
    ],
)
def test_each_field_has_its_own_check(field: str, text: str, expected: str, folder: Path) -> None:
    """Folders, files, the target and device numbers are told from what they are not."""
    assert expected == setup.judge(field, text, folder).key


def test_an_archive_may_stand_for_a_folder(folder: Path) -> None:
    """For videos and split files, as a run takes them; frames must be a folder."""
    (folder / "hmdb51_org.rar").touch()
    verdicts = {field: setup.judge(field, "hmdb51_org.rar", folder).key for field in ("videos", "splits", "frames")}
    assert {"videos": "archive", "splits": "archive", "frames": "not_folder"} == verdicts


async def test_a_server_with_chips_is_proposed_and_its_chips_are_check_boxes(
    empty: ReplayClient, door: Door, console: Console
) -> None:
    """Four chips, one of them busy: ascend stands there, three boxes are on; Space turns one, Enter writes."""
    busy = DeviceSample("npu:3", 1.0, "310P3", not_taken=line("busy: {names}", names="python"))
    door.chips = (*(DeviceSample(f"npu:{n}", 1.0, "310P3", "OK") for n in range(3)), busy)
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["target"].value == "ascend")
        await pilot.pause()
        assert "[x] 0  [x] 1  [x] 2  [ ] 3" in form._boxes.plain_text()
        form._boxes.focus()
        await pilot.press("right", "space")
        await until(pilot, lambda: form._verdicts.get("checkpoint") is not None)
        await pilot.press("enter")
        await until(pilot, lambda: door.made)
    assert ("ascend", (0, 2)) == (door.made[0]["target"], door.made[0]["devices"])


async def test_leaving_the_form_leads_to_the_ways_on(empty: ReplayClient, door: Door, console: Console) -> None:
    """Never a bare error: what can be done stands there with its keys, and Enter opens the form again."""
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.board)
        text = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        assert "make a workspace here" in text
        assert "r3d-tui demo" in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Setup))


def test_a_path_is_completed_by_what_lies_there(folder: Path) -> None:
    """The first name that begins as what was typed; nothing for a folder that is not there."""
    complete = setup.PathSuggester(folder)._complete
    assert ["hmdb51_1.json", None, None] == [complete("hm"), complete("zz"), complete("nowhere/x")]
