"""The form that makes a workspace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends import api as real
from backends.core.client import Candidates
from backends.core.command_reports import Overview
from backends.core.messages import InputError, line
from backends.core.settings import DatasetSettings, Settings
from backends.core.values import DeviceSample
from r3d_tui.app import ConsoleApp
from r3d_tui.screens import setup
from r3d_tui.screens.host import DEMO
from r3d_tui.screens.setup import Setup
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient, Story

Console = Callable[..., ConsoleApp]


class Api:
    """`backends.api` over a folder whose files are empty: what is found and seen is said here."""

    def __init__(self, folder: Path) -> None:
        self.made: list[Settings] = []
        self.refuse: InputError | None = None
        self.chips: tuple[DeviceSample, ...] = ()
        self.seen = Overview(51, 6766, 51, 1530, "resnet-50", 51)
        self.found = Candidates(
            videos=(folder / "videos", folder / "more"),
            annotations=(folder / "hmdb51_1.json",),
            checkpoints=(folder / "r3d50.pth",),
        )
        self.new_settings, self.is_archive = real.new_settings, real.is_archive

    def find_workspace(self, folder: Path) -> Path | None:
        return None

    def find_candidates(self, folder: Path) -> Candidates:
        return self.found

    def likely_target(self) -> str:
        return "ascend" if self.chips else "cpu"

    def overview(self, workspace: Path, settings: Settings) -> Overview:
        return self.seen

    @contextlib.contextmanager
    def sample_devices(self, target: str) -> Iterator[Iterator[tuple[DeviceSample, ...]]]:
        yield iter([self.chips])

    def init_workspace(self, folder: Path, settings: Settings) -> Path:
        if self.refuse is not None:
            raise self.refuse
        self.made.append(settings)
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
def api(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    """In place of `backends.api`."""
    made = Api(folder)
    for name in dir(made):
        if not name.startswith("_") and hasattr(real, name):
            monkeypatch.setattr(real, name, getattr(made, name))
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
    empty: ReplayClient, api: Api, folder: Path, console: Console
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
        await until(pilot, lambda: "✓ 51 classes, 6,766 videos" in form._about["videos"].plain_text())
        assert "✓ 51 classes · 1,530 validation videos" in form._about["annotation"].plain_text()
        assert "✓ resnet-50 · 51 classes = annotation" in form._about["checkpoint"].plain_text()
        assert "✓ no chips in this machine" in form._about["target"].plain_text()
        await pilot.press("enter")
        await until(pilot, lambda: api.made)
        await until(pilot, lambda: app.screen is app.board)
    expected = DatasetSettings(videos=folder / "more", annotation=folder / "hmdb51_1.json", keep_frames=False)
    assert expected == api.made[0].dataset
    assert (folder / "r3d50.pth", "cpu") == (api.made[0].model.checkpoint, api.made[0].infer.target)


async def test_what_is_lacking_or_refused_is_said(empty: ReplayClient, api: Api, console: Console) -> None:
    """Without a checkpoint nothing is written; what the backends refuse stands in the form with its fix."""
    api.found = replace(api.found, checkpoints=())
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["videos"].value)
        await pilot.press("enter")
        await until(pilot, lambda: "a checkpoint is needed" in form._about["checkpoint"].plain_text())
        assert form.focused is form._inputs["checkpoint"]
        form._inputs["checkpoint"].value = "r3d50.pth"
        api.refuse = InputError("{path}: not a checkpoint", hint="give another", path="/x\x1b[2J")
        await until(pilot, lambda: "✓ resnet-50" in form._about["checkpoint"].plain_text())
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "✗ /x: not a checkpoint\n✗ give another" in form._problem.plain_text())
        assert [] == api.made
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.board)


async def test_a_field_is_judged_while_one_types(empty: ReplayClient, api: Api, console: Console) -> None:
    """A path that is not there is said so at once and keeps the form from writing."""
    app = console(empty)
    async with app.run_test(size=(60, 20)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["videos"].value)
        await pilot.press("end", "x", "x")
        await until(pilot, lambda: "✗ not there" in form._about["videos"].plain_text())
        await pilot.press("tab", "ctrl+s")
        await until(pilot, lambda: form.focused is form._inputs["videos"])
        assert [] == api.made


async def test_a_contradiction_is_named_in_the_form(empty: ReplayClient, api: Api, console: Console) -> None:
    """What no run gets past stands there before anything is written."""
    api.seen = replace(api.seen, contradictions=(line("{a} classes, but {b}", a=10, b=51),))
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        await until(pilot, lambda: "✗ 10 classes, but 51" in _form(app)._problem.plain_text())
        assert [] == api.made


async def test_the_demo_is_one_key_away(empty: ReplayClient, api: Api, console: Console) -> None:
    """From the form as from the screen behind it, the console is left with the code that its caller knows."""
    for keys in (("ctrl+o",), ("escape", "t")):
        app = console(empty)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda app=app: isinstance(app.screen, Setup))
            await pilot.press(*keys)
            await until(pilot, lambda app=app: app.return_value is not None)
        assert app.return_value == DEMO


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("videos", "videos", ""),
        ("splits", ".", ""),
        ("annotation", "hmdb51_1.json", ""),
        ("videos", "hmdb51_1.json", "not_folder"),
        ("checkpoint", "videos", "not_file"),
        ("checkpoint", "nowhere.pth", "missing"),
        ("target", "gpu", "target_wrong"),
        ("devices", "0, 1", ""),
        ("devices", "0,one", "devices_wrong"),
    ],
)
def test_each_field_has_its_own_check(field: str, text: str, expected: str, folder: Path) -> None:
    """Folders, files, the target and device numbers are told from what they are not."""
    assert expected == setup.fault(field, text, folder)


def test_an_archive_may_stand_for_a_folder(folder: Path) -> None:
    """For videos and split files, as a run takes them; frames must be a folder."""
    (folder / "hmdb51_org.rar").touch()
    faults = {field: setup.fault(field, "hmdb51_org.rar", folder) for field in ("videos", "splits", "frames")}
    assert {"videos": "", "splits": "", "frames": "not_folder"} == faults


def test_a_ready_model_may_be_given(tmp_path: Path) -> None:
    """Its suffix says which setting it is."""
    found = real.new_settings(videos=tmp_path, checkpoint=tmp_path / "r3d.onnx")
    assert (tmp_path / "r3d.onnx", None) == (found.model.onnx, found.model.checkpoint)


async def test_a_server_with_chips_is_proposed_and_its_chips_are_check_boxes(
    empty: ReplayClient, api: Api, console: Console
) -> None:
    """Four chips, one of them busy: ascend stands there, three boxes are on; Space turns one, Enter writes."""
    busy = DeviceSample("npu:3", 1.0, "310P3", not_taken=line("busy: {names}", names="python"))
    api.chips = (*(DeviceSample(f"npu:{n}", 1.0, "310P3", "OK") for n in range(3)), busy)
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        form = _form(app)
        await until(pilot, lambda: form._inputs["target"].value == "ascend")
        await pilot.pause()
        assert "[x] 0  [x] 1  [x] 2  [ ] 3" in form._boxes.plain_text()
        await until(pilot, lambda: "✓ 310P3 × 4 in this machine" in form._about["target"].plain_text())
        form._boxes.focus()
        await pilot.press("right", "space")
        await pilot.press("enter")
        await until(pilot, lambda: api.made)
    assert ("ascend", (0, 2)) == (api.made[0].infer.target, api.made[0].infer.devices)


async def test_leaving_the_form_leads_to_the_ways_on(empty: ReplayClient, api: Api, console: Console) -> None:
    """Never a bare error: what can be done stands there with its keys, and Enter opens the form again."""
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.board)
        text = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        assert "make a workspace here" in text
        assert "try the demo" in text
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Setup))


def test_a_path_is_completed_by_what_lies_there(folder: Path) -> None:
    """The first name that begins as what was typed; nothing for a folder that is not there."""
    complete = setup.PathSuggester(folder)._complete
    assert ["hmdb51_1.json", None, None] == [complete("hm"), complete("zz"), complete("nowhere/x")]


async def test_chips_whose_numbers_are_not_known_are_no_check_boxes(
    empty: ReplayClient, api: Api, console: Console
) -> None:
    """A 910B where npu-smi gives no logic ids: all healthy ones are taken, and the form goes on."""
    api.chips = tuple(DeviceSample(f"npu:{n}.0", 1.0, "910B3", "OK") for n in range(8))
    app = console(empty)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Setup))
        await until(pilot, lambda: "✓ 910B3 × 8 in this machine" in _form(app)._about["target"].plain_text())
        await pilot.press("enter")
        await until(pilot, lambda: api.made)
    assert ("ascend", None) == (api.made[0].infer.target, api.made[0].infer.devices)
