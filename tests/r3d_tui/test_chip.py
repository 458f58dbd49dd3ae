"""The devices' sensors over a run, one device's page, and devices filtered and ordered on the board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from backends import api
from backends.core.client import Snapshot
from backends.core.events import Outcome
from backends.core.messages import line
from backends.core.run_state import DeviceRun, Note, Run, StageRun
from backends.core.values import Chip, ChipProcess, DeviceSample, DeviceTable
from r3d_tui.app import ConsoleApp
from r3d_tui.lang.words import Words
from r3d_tui.screens.chip_page import ChipPage
from r3d_tui.text.rows import Row, text_of, width_of
from r3d_tui.views import tracks as module
from r3d_tui.views.chip import Processes, chip
from r3d_tui.views.chips import table_of
from r3d_tui.views.devices import Device, joined
from r3d_tui.views.frame import header
from r3d_tui.views.look import Look
from r3d_tui.views.result import accuracy_so_far, classes_counted, result
from r3d_tui.views.running import running
from r3d_tui.views.tracks import Track, Tracks, range_of, tracks_of
from r3d_tui.views.verdict import verdict
from r3d_tui.widgets.meter import graph
from tests.r3d_tui.waiting import until
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
Console = Callable[..., ConsoleApp]


def _sample(at: float, device: str = "npu:0", **figures: Any) -> DeviceSample:
    return DeviceSample(device, at, "310P3", "OK", **figures)


def _track(*powers: float | None, step: float = 2.0) -> Track:
    track = Track()
    for number, power in enumerate(powers):
        track.add(_sample(number * step, power_w=power, temp_c=40.0 + number))
    return track


def test_a_range_is_over_time() -> None:
    """The mean weighs each reading by the time it speaks for; what was not read has no range."""
    track = Track()
    for at, power in ((0.0, 10.0), (1.0, 40.0), (4.0, 20.0)):
        track.add(_sample(at, power_w=power))
    found = range_of(track, "power_w")
    assert (20.0, 10.0, 32.5, 40.0) == (found.now, found.least, found.mean, found.most)
    assert range_of(track, "temp_c").mean is None


def test_a_spread_leaves_gaps_where_nothing_was_read() -> None:
    """Equal spans of time; a short silence takes the reading before it, a long one stays blank."""
    track = _track(1.0, 3.0, None, 5.0)
    assert [1.0, 3.0, 3.0, 5.0] == track.spread("power_w", 4)
    far = Track()
    for at in (0.0, 100.0):
        far.add(_sample(at, power_w=7.0))
    assert [7.0, 7.0, *[None] * 7, 7.0] == far.spread("power_w", 10)
    assert [] == Track().spread("power_w", 5)


def test_a_track_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run stays in it from its beginning, its last part in full."""
    monkeypatch.setattr(module, "KEPT", 64)
    track = _track(*map(float, range(1000)))
    assert len(track) <= 64
    assert 0.0 == track.at[0]
    assert [999.0, 998.0, 997.0] == list(track.values("power_w"))[:-4:-1]
    assert sorted(track.at) == list(track.at)


def test_what_was_kept_stands_before_what_the_console_saw() -> None:
    """The readings from before the console came, then its own, none twice; another run begins anew."""
    kept = [_sample(float(at), power_w=float(at)) for at in range(5)]
    tracks = Tracks()
    tracks.add("a", (_sample(4.0, power_w=4.0),))
    tracks.add("a", (_sample(6.0, power_w=6.0),))
    tracks.put("a", tracks_of(kept))
    assert [0.0, 1.0, 2.0, 3.0, 4.0, 6.0] == list(tracks.by_device["npu:0"].at)
    tracks.put("b", tracks_of(kept))
    assert 6 == len(tracks.by_device["npu:0"])
    tracks.add("b", (_sample(9.0),))
    assert [9.0] == list(tracks.by_device["npu:0"].at)


def test_a_graph_tells_by_height() -> None:
    """From the lowest to the highest value; a gap is blank in every line."""
    assert [" █ ", "▁█ "] == graph([0.0, 10.0, None], 2, 0.0, 10.0)


def _text(rows: list[Row]) -> str:
    return "\n".join(text_of(one).rstrip() for one in rows)


def _working(snapshot: Snapshot, look: Look) -> list[Row]:
    return running(snapshot, look, table_of(snapshot, joined(snapshot), {}))


def _retired() -> tuple[Device, Snapshot]:
    reason = line("mdl.execute failed ({code}): out of memory", code=507899)
    run = DeviceRun("npu:0", "310P3", "retired", reason, clips=40, mean_clips_per_s=390.0, joules_per_clip=0.043)
    notes = (
        Note("infer", line("{device} is out of the run: {reason}", device="npu:0", reason="x"), "warning", 1.0),
        Note("infer", line("free memory on it, then put it back"), "info", 1.0),
        Note("infer", line("{device} is out of the run: {reason}", device="npu:1", reason="y"), "warning", 1.0),
    )
    stages = (StageRun("infer", "running", live={"energy": "measured"}),)
    snapshot = Snapshot(1, Path("w"), Run("1", "running", stages=stages, devices=(run,), notes=notes))
    return Device("npu:0", run, _sample(8.0, power_w=17.0), 794.91), snapshot


def test_the_page_of_a_device_says_why_it_is_out_and_what_to_do(words: Words) -> None:
    """Reason with its code, the mend noted behind it, processes, rates, energy and ranges; of others nothing."""
    device, snapshot = _retired()
    found = Processes((ChipProcess(0, 0, 4321, "python3", 900),))
    text = _text(chip(device, _track(17.0, 45.0, 38.0), (1.0, 2.0), found, snapshot, Look(words, 90, 40)))
    for expected in (
        "dropped",
        "mdl.execute failed (507899): out of memory",
        "free memory on it, then put it back",
        "4321 python3 900 MB",
        "49 % of 794.9",
        "0.043 J",
        "17.0 W      31.0 W      45.0 W",
    ):
        assert expected in text
    assert "npu:1" not in text


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [34, 56, 76, 126])
def test_the_page_of_a_device_stays_inside(width: int, language: str) -> None:
    """Whatever the window, no line is too wide."""
    device, snapshot = _retired()
    look = Look(Words(language), width, 20)
    assert max(map(width_of, chip(device, _track(17.0, None, 38.0), (1.0, 2.0), None, snapshot, look))) <= width
    assert max(map(width_of, chip(Device("x", None, None), None, (), None, None, look))) <= width


def test_no_power_is_told_as_not_measurable(words: Words) -> None:
    """Where a chip prints no power, the energy of a clip says so instead of a figure."""
    device, snapshot = _retired()
    run = replace(snapshot.run, stages=(StageRun("infer", "running", live={"energy": "no_power"}),))
    bare = replace(device, run=replace(device.run, joules_per_clip=None))  # type: ignore[type-var]
    text = _text(chip(bare, None, (), None, replace(snapshot, run=run), Look(words, 90, 40)))
    assert "not measurable: no power sensor" in text


def test_the_accuracy_so_far_stands_in_inference(words: Words) -> None:
    """While it runs, over how many videos; without a figure nothing is said."""
    live = {"top1_so_far": 0.625, "videos_so_far": 1200}
    run = Run("1", "running", stages=(StageRun("infer", "running", live=live),))
    look = Look(words, 56, 20)
    assert "top-1 62.5 % so far" in _text(_working(Snapshot(1, Path("w"), run), look))
    none = replace(run, stages=(StageRun("infer", "running", live={**live, "top1_so_far": None}),))
    assert "so far" not in _text(_working(Snapshot(1, Path("w"), none), look))


def test_simulated_chips_are_called_so_wherever_a_figure_of_theirs_stands(words: Words, story: OpenStory) -> None:
    """In the header, in inference, beside the speed of the result, in the verdict; while it runs and after."""
    whole = story("finished").snapshot()
    stage = whole.run.stage("infer")
    assert stage.outcome is not None
    outcome = Outcome({**stage.outcome.figures, "runtime": "acl simulated"})
    ended = tuple(replace(one, outcome=outcome) if one.name == "infer" else one for one in whole.run.stages)
    simulated = tuple(replace(one, name=f"{one.name} simulated") for one in whole.run.devices)
    look = Look(words, 90, 30, selected="infer")
    for snapshot in (
        replace(whole, run=replace(whole.run, stages=ended)),
        replace(whole, run=replace(whole.run, devices=simulated)),
    ):
        assert "simulated" in text_of(header(snapshot, look))
        assert "Simulated chips: throughput is not meaningful." in _text(result(snapshot, look))
        found = verdict(snapshot)
        assert found is not None
        assert "simulated" in [reason.key for reason in found.reasons]
    assert "simulated" not in text_of(header(whole, look)) + _text(result(whole, look))


def _screen_text(app: ConsoleApp) -> str:
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in lines)


async def test_a_console_that_comes_later_shows_the_history_from_before(
    inferring: ReplayClient, console: Console
) -> None:
    """The first snapshot has one reading of each device; what was kept before it is shown as well."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await until(pilot, lambda: len(app.board.state.tracks.by_device["0"]) > 5)
        await pilot.press("2", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChipPage) and "2/2" in _screen_text(app))
        assert "sensor" in _screen_text(app)
        await pilot.press("n")
        await pilot.pause()
        assert "1/2" in _screen_text(app)
        await pilot.press("space")
        await until(pilot, lambda: inferring.asked)
        assert [{"stage": "infer", "command": "device", "id": "0", "take": "out"}] == inferring.asked


async def test_a_watcher_cannot_take_a_device_out_on_its_page(inferring: ReplayClient, console: Console) -> None:
    """Read-only mode does not offer the key, and the key does nothing."""
    app = console(inferring, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("p", "space")
        await pilot.pause()
        assert isinstance(app.screen, ChipPage)
        assert "Space" not in _screen_text(app)
        assert [] == inferring.asked


async def test_the_processes_on_a_chip_are_asked_for_once(
    inferring: ReplayClient, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On its page npu-smi is asked which processes are there: those of this chip, not of its neighbour."""
    asked: list[str] = []

    def read(source: str) -> DeviceTable:
        asked.append(source)
        chips = (Chip(0, 0, 0), Chip(0, 1, 1))
        return DeviceTable("live", chips=chips, processes=(ChipProcess(0, 0, 11, "mine"), ChipProcess(0, 1, 12, "x")))

    monkeypatch.setattr(api, "read_devices", read)
    run = replace(inferring.snapshot().run, devices=(DeviceRun("npu:0", "310P3", "working", pid=9),))
    snapshot = replace(inferring.snapshot(), run=run, samples=())
    monkeypatch.setattr(inferring, "snapshot", lambda: snapshot)
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("2", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChipPage) and "11 mine" in _screen_text(app))
        assert "12 x" not in _screen_text(app)
        assert ["live"] == asked


async def test_devices_are_filtered_and_ordered_on_the_board(inferring: ReplayClient, console: Console) -> None:
    """/ and S in the devices and inference panels; the title says so; u shows all by number again."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("2", "slash", *"910B", "enter")
        await pilot.pause()
        assert "No device matches the filter" in _screen_text(app)
        assert "] 0 ▸" not in _screen_text(app)
        await pilot.press("u", "S", "S")
        await pilot.pause()
        assert "↓util" in _screen_text(app)
        await pilot.press("u")
        await pilot.pause()
        assert "↓" not in _screen_text(app)
        assert "] 0 ▸" in _screen_text(app)


async def test_the_log_shows_only_what_matches(inferring: ReplayClient, console: Console) -> None:
    """& after a search leaves the other lines out, and brings them back; without a search a word says how."""
    app = console(inferring)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.board.state.snapshot)
        await pilot.press("ampersand")
        await until(pilot, lambda: app.board.state.status.text)
        await pilot.press("l")
        await until(pilot, lambda: "batch" in _screen_text(app))
        await pilot.press("slash", *"queue 6", "enter", "ampersand")
        await pilot.pause()
        shown = [one for one in _screen_text(app).splitlines() if "clips/s, queue" in one]
        assert shown
        assert all("queue 6" in one for one in shown)
        await pilot.press("ampersand")
        await pilot.pause()
        assert any("queue 7" in one for one in _screen_text(app).splitlines())


def test_the_matrix_grows_beside_the_lists_where_there_is_room(words: Words) -> None:
    """Of the videos so far, by what ticks report; in a small pane the lists stand alone."""
    live = {"confusion_matrix": "clap\t0:3\nthrow\t0:2 1:1\nwave\t2:4"}
    run = Run("1", "running", stages=(StageRun("infer", "running", live=live),))
    snapshot = Snapshot(1, Path("w"), run)
    large = [text_of(line) for line in accuracy_so_far(snapshot, Look(words, 102, 27))]
    assert "throw 2  2  1  ·" in large[2]
    assert "throw" in large[1]
    assert "1/3" in large[1]
    small = _text(accuracy_so_far(snapshot, Look(words, 36, 5)))
    assert "2  throw" in small
    assert "clap  1" not in small
    assert 3 == classes_counted(snapshot)
    begun = replace(run, stages=(StageRun("infer", "running", live={"confusion_matrix": "clap\t\nwave\t1:1"}),))
    rows = [text_of(line) for line in accuracy_so_far(Snapshot(1, Path("w"), begun), Look(words, 102, 27))]
    assert rows[1].startswith("clap 1  ·  · ")  # its place is there before its first video
    assert rows[2].startswith("wave 2  ·  1 ")
    none = replace(run, stages=(StageRun("infer", "running", live={"confusion_matrix": "clap\t\nwave\t"}),))
    assert 0 == classes_counted(Snapshot(1, Path("w"), none))
