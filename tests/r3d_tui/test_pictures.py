"""Pictures of the console where it matters, at 80x24, 120x40 and 200x60, in both languages, dark, light and 16 colours.

Few on purpose: what is shown is asserted elsewhere; here somebody has looked at how it looks. The clock and the data
stand still. `R3D_PICTURES=new python -m pytest tests/r3d_tui/test_pictures.py` keeps what is drawn now; then look at
all of it: `python -m tests.r3d_tui.pictures FOLDER` draws what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from rich.segment import Segment
from rich.style import Style
from textual.pilot import Pilot
from textual.widgets import Input

from backends import api
from backends.core.catalog_pages import ClipFrames, VideoEntry
from backends.core.client import Candidates, Snapshot
from backends.core.command_reports import Overview, SettingChange
from backends.core.events import DeviceState, ServerChip, ServerWork
from backends.core.messages import line
from backends.core.run_state import DeviceRun, StageRun
from backends.core.settings import InferSettings
from backends.core.values import DeviceSample
from backends.data.catalog import SqlCatalog, memory_catalog
from r3d_tui.app import ConsoleApp
from r3d_tui.screens import questions, setup
from tests.r3d_tui.pictures import KEPT, drawn, svg, written
from tests.replay import ReplayClient, Story, read_story

Console = Callable[..., ConsoleApp]
STORIES = Path(__file__).resolve().parents[1] / "stories"
SMALL, COMMON, LARGE = (80, 24), (120, 40), (200, 60)
THEMES = ("r3d-dark", "r3d-light")
HERE = Path("/home/li/hmdb51")


class Picture(NamedTuple):
    """A moment, where it is looked at, and the keys that lead to it from the board."""

    moment: str
    size: tuple[int, int] = SMALL
    language: str = "en"
    theme: str = ""
    """"": dark and light in one picture."""
    keys: tuple[str, ...] = ()
    name: str = ""

    @property
    def path(self) -> Path:
        """Where it is kept."""
        width, height = self.size
        parts = (self.moment, self.name, f"{width}x{height}", self.language, self.theme)
        return KEPT / f"{'-'.join(part for part in parts if part)}.txt"


PICTURES = (
    Picture("first-start"),
    Picture("first-start", COMMON, "zh", "r3d-dark"),
    Picture("before", SMALL),
    Picture("before", COMMON, "zh", "r3d-light"),
    Picture("lost-chip", SMALL),
    Picture("lost-chip", SMALL, "zh", "r3d-dark"),
    Picture("lost-chip", SMALL, "en", "ansi-dark"),
    Picture("lost-chip", COMMON),
    Picture("lost-chip", LARGE, "en", "r3d-dark"),
    Picture("servers", SMALL),
    Picture("servers", COMMON, theme="r3d-dark"),
    Picture("servers", LARGE, "en", "r3d-dark"),
    Picture("servers", SMALL, "zh", "r3d-light", keys=("enter",), name="chips"),
    Picture("failed", SMALL),
    Picture("failed", SMALL, "en", "ansi-light"),
    Picture("failed", COMMON, "zh", "r3d-dark"),
    Picture("done", SMALL),
    Picture("done", COMMON, "zh", "r3d-light"),
    Picture("done", LARGE, "en", "r3d-dark"),
    Picture("done", SMALL, keys=("h",), name="runs", theme="r3d-dark"),
    Picture("done", COMMON, "zh", keys=("o",), name="matrix", theme="r3d-light"),
    Picture("done", COMMON, keys=("o", "5"), name="wrong", theme="ansi-light"),
    Picture("done", LARGE, "en", keys=("b",), name="classes", theme="r3d-dark"),
    Picture("done", SMALL, keys=("question_mark",), name="help", theme="r3d-dark"),
    Picture("done", SMALL, keys=("colon",), name="commands", theme="r3d-dark"),
)


SEEN = Overview(51, 6766, 51, 1530, "resnet-50", 51, 6_100_000_000, 212_000_000_000)


class Changed(ReplayClient):
    """A recorded run whose snapshots are changed before they are shown."""

    change: Callable[[Snapshot, float], Snapshot] = staticmethod(lambda snapshot, _now: snapshot)

    def snapshot(self) -> Snapshot:
        """The recorded one, changed."""
        return self.change(super().snapshot(), self.now)


def _matrix() -> str:
    """The matrix of the recording's report as a tick has it; of its classes alone."""
    report = next(what for _, kind, what in _read("finished").beats if kind == "report")
    names = sorted(one.label for one in report.classes)
    rows = {one.label: [f"{names.index(one.label)}:{one.top1}"] for one in report.classes}
    for pair in report.confusions:
        if pair.predicted in names:
            rows[pair.label].append(f"{names.index(pair.predicted)}:{pair.videos}")
    return "\n".join(f"{name}\t{' '.join(rows[name])}" for name in names)


def _eight_chips(snapshot: Snapshot, now: float) -> Snapshot:
    """Eight 310P3 in the middle of inference: one was lost to its heat, one is in use by somebody else."""
    reason = line("{code}: {meaning}; {n} clips went to others", code=507015, meaning="AI Core exception", n=40)
    names = [f"npu:{number}" for number in range(8)]
    runs = [
        DeviceRun(name, "310P3", "working", pid=4100 + n, clips=1020 - 7 * n, clips_per_s=789.0 - n,
                  mean_clips_per_s=788.0 - n, latency_ms=12.4, latency_p95_ms=13.1, utilisation=0.99)
        for n, name in enumerate(names[:7])
    ]  # fmt: skip
    runs[3] = replace(runs[3], state="retired", reason=reason, clips=448, clips_per_s=None)
    samples = [
        DeviceSample(name, now - 1, "310P3", "OK", None, None, 54.0 + n, 98.0, 1500, 21527, 1)
        for n, name in enumerate(names)
    ]
    samples[3] = replace(samples[3], temp_c=91.0, busy_percent=0.0)
    samples[7] = replace(samples[7], busy_percent=87.0, memory_used_mb=9800, used_by="pid 4121 python",
                         not_taken=line("busy: {names}", names="python"))  # fmt: skip
    live = {
        "top1_so_far": 0.589,
        "videos_so_far": 1200,
        "lowest_classes": "wave\t11\t30\nthrow\t13\t30\nswing_baseball\t14\t30",
        "confusions": "throw\tcatch\t9\nwave\tclap\t6",
        "confusion_matrix": _matrix(),
    }
    stages = tuple(
        replace(stage, done=7120, total=8492, rate=5512.0, live=live) if stage.name == "infer" else stage
        for stage in snapshot.run.stages
    )
    run = replace(snapshot.run, stages=stages, devices=tuple(runs))
    return replace(snapshot, run=run, samples=tuple(samples))


def _three_servers(snapshot: Snapshot, _now: float) -> Snapshot:
    """Three servers of eight chips in the middle of a run that decoding bounds: one lost a chip, one says nothing."""
    states: list[list[DeviceState]] = [["working"] * 8, [*["working"] * 6, "retired", "ready"], ["working"] * 8]
    runs = []
    for n, chips_of in enumerate(states):
        found = tuple(
            ServerChip(f"npu:{c}", state, 900 - 40 * n - c, 0.0 if state != "working" else 96.5 - c, 0.13)
            for c, state in enumerate(chips_of)
        )
        work = ServerWork(found, 0.97 - 0.02 * n, 0.4 if n < 2 else 11.2)
        name = "kunpeng-7 · 8 × Ascend310P3"
        runs.append(DeviceRun(f"server-{n + 1}", name, "working", clips=7100 - 350 * n, clips_per_s=744.0 - 9 * n,
                              mean_clips_per_s=740.0, utilisation=0.13, server=work))  # fmt: skip
    runs[1] = replace(
        runs[1], reason=line("{devices}", devices=(line("{device}: {state}", device="npu:6", state="retired"),))
    )
    runs[2] = replace(runs[2], state="stalled", reason=line("no word for {seconds:.0f} s", seconds=11.2))
    note = line("bound by decoding (util: decoding {decoding}, chips {chips})", decoding="95 %", chips="13 %")
    live = {"clips": 20250, "clips_per_s": 2205.0, "decoding_share": 0.95, "computing_share": 0.13}
    stages = {stage.name: stage for stage in snapshot.run.stages}
    stages |= {name: StageRun(name) for name in ("infer", "score", "evaluate")}
    stages["preprocess"] = replace(stages["preprocess"], state="running", outcome=None, done=2100, total=6766,
                                   unit="videos", note=note, live=live)  # fmt: skip
    run = replace(snapshot.run, state="running", stages=tuple(stages.values()), devices=tuple(runs))
    return replace(snapshot, run=run, report=None)


def _four_chips(snapshot: Snapshot, now: float) -> Snapshot:
    """A server of four chips before its first run, one of them busy."""
    settings = replace(snapshot.settings, infer=InferSettings(target="ascend")) if snapshot.settings else None
    return replace(snapshot, settings=settings, samples=chips(now))


def chips(now: float) -> tuple[DeviceSample, ...]:
    """Four 310P3, the last in use."""
    found = [DeviceSample(f"npu:{n}", now - 2, "310P3", "OK", None, None, 41.0, 0.0, 1000, 21527, 0) for n in range(4)]
    busy = line("busy: {names}", names="python")
    found[3] = replace(found[3], busy_percent=87.0, memory_used_mb=9800, used_by="pid 4121 python", not_taken=busy)
    return tuple(found)


@cache
def _read(name: str) -> Story:
    return read_story(STORIES / f"{name}.jsonl")


def client(moment: str) -> ReplayClient:
    """A recorded run at a moment."""
    if moment == "first-start":
        problem = line("{path}: no r3d.toml here", path=str(HERE))
        return ReplayClient(Story("", HERE, 0.0, None, None, problem, (), ()))
    stories = {"before": "new", "lost-chip": "finished", "servers": "finished", "done": "finished"}
    made = Changed(_read(stories.get(moment, moment)))
    if moment in ("lost-chip", "servers"):
        made.seek_until(lambda run: any(device.clips > 2000 for device in run.devices))
        made.change = _eight_chips if moment == "lost-chip" else _three_servers  # type: ignore[method-assign]
        return made
    made.seek(made.story.beats[-1][0] if made.story.beats else 0.0)
    if moment == "before":
        made.change = _four_chips  # type: ignore[method-assign]
    return made


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No clock, no disk, no machine."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("HOME", "/home/li")
    time.tzset()
    monkeypatch.setattr(questions, "SOON_S", 0.01)
    found = Candidates(videos=(HERE / "videos",), splits=(HERE / "splits",), checkpoints=(HERE / "save_700.pth",))
    monkeypatch.setattr(api, "find_candidates", lambda _: found)
    monkeypatch.setattr(api, "likely_target", lambda: "ascend")
    monkeypatch.setattr(api, "sample_devices", lambda _: contextlib.nullcontext(iter([chips(0.0)])))
    change = SettingChange("model.depth", 16, "depth = 34", "depth = 50")
    monkeypatch.setattr(api, "plan_change", lambda *_: change)
    (tmp_path / "videos" / "wave").mkdir(parents=True)
    (tmp_path / "splits" / "x").mkdir(parents=True)
    (tmp_path / "save_700.pth").write_bytes(b"PK")
    fault = setup.fault
    monkeypatch.setattr(setup, "fault", lambda field, text, _: fault(field, text, tmp_path))
    monkeypatch.setattr(setup, "PAUSE_S", 0.01)
    monkeypatch.setattr(api, "overview", lambda *_: SEEN)
    grey = bytes(value for n in range(46 * 46) for value in (n // 46 * 4,) * 3)
    monkeypatch.setattr(api, "clip_frames", lambda _, video, *__: ClipFrames(video, 0, 1, 46, 46, grey))
    yield
    monkeypatch.undo()
    time.tzset()


async def settled(pilot: Pilot[Any], quiet: float) -> None:
    """Until no thread is asked, no cursor blinks and nothing has moved for `quiet` seconds."""
    ends = time.monotonic() + 20
    before: list[str] = []
    since = time.monotonic()
    while time.monotonic() < ends:
        await pilot.pause()
        for entry in pilot.app.screen.query(Input):
            entry.cursor_blink = False
        if not any(thread.name in ("ask", "arrange", "setup") for thread in threading.enumerate()):
            now = ["".join(segment.text for segment in strip) for strip in _strips(pilot.app)]
            if now == before and time.monotonic() - since >= quiet:
                return
            if now != before:
                before, since = now, time.monotonic()
        await asyncio.sleep(max(0.02, quiet / 3))
    raise AssertionError("the screen does not come to rest")


def _strips(app: Any) -> list[Any]:
    return list(app.screen._compositor.render_strips())


async def taken(pilot: Pilot[Any], picture: Picture) -> str:
    """The picture as it is kept: in its theme, or in dark and light."""
    app = pilot.app
    now = [list(strip) for strip in _strips(app)]
    if picture.theme:
        return written(picture.size, now)
    app.theme = THEMES[1]
    await pilot.pause()
    return written(picture.size, now, [list(strip) for strip in _strips(app)])


def _catalog(told: ReplayClient) -> SqlCatalog:
    """As many videos of each class, and as many of them right, as the report says; its worst by their names."""
    report = told.snapshot().report
    if report is None:
        return memory_catalog((), ())
    worst = [VideoEntry(one.video, one.label, 30, 2, 2, 1, 31, one.predicted, one.score) for one in report.worst]
    confused = {pair.label: pair.predicted for pair in reversed(report.confusions)}
    others = [
        VideoEntry(f"{one.label}_{n:02d}", one.label, 90, 6, 6, 1, 91,
                   one.label if n < one.top1 else confused.get(one.label, "walk"), round(0.94 - 0.01 * n, 3))
        for one in report.classes
        for n in range(one.videos - sum(video.label == one.label for video in report.worst))
    ]  # fmt: skip
    return memory_catalog([*worst, *others], ())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda one: one.path.stem)
async def test_pictures(picture: Picture, console: Console, still: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen looks as it did when somebody looked at it."""
    told = client(picture.moment)
    monkeypatch.setattr(api, "open_catalog", lambda *_, **__: _catalog(told))
    app = console(told, picture.language, theme=picture.theme or THEMES[0])
    for second in range(40):
        app.board.state.rates.add(told.snapshot().run, told.now - 40 + second)
    if picture.moment == "before":
        app.board.state.overview = SEEN
    async with app.run_test(size=picture.size) as pilot:
        await settled(pilot, 0.25)
        for key in picture.keys:
            await pilot.press(key)
            await settled(pilot, 0.1)
        found = await taken(pilot, picture)
    assert same(picture.path, found)


def same(path: Path, found: str) -> bool:
    """Whether the picture is as it is kept; the new one is left beside it, or kept if that was asked."""
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    if found == kept:
        return True
    asked = os.environ.get("R3D_PICTURES") == "new"
    path.parent.mkdir(exist_ok=True)
    (path if asked else new).write_text(found, encoding="utf-8")
    return asked


def test_every_kept_picture_is_of_a_screen() -> None:
    """None is left over from a screen that is gone."""
    assert {picture.path.stem for picture in PICTURES} == {path.stem for path in KEPT.glob("*.txt")}


def test_a_kept_picture_can_be_drawn_again() -> None:
    """Text, colours and themes come back from what is kept, wide characters in their two cells."""
    night = [[Segment("环境 ", Style(color="red")), Segment("ok", Style(bold=True, bgcolor="#102030"))], [Segment("")]]
    day = [[Segment("环境 ", Style(color="blue")), Segment("ok", Style(bold=True, bgcolor="#f0f0f0"))], [Segment("")]]
    text = written((8, 2), night, day)
    assert "8x2\n|环境 ok\n|\ncolours\n1x a5 b2\n1x \na = red - / blue -\nb = - #102030 bold / - #f0f0f0 bold\n" == text
    for theme, colour in enumerate(("red", "blue")):
        width, rows = drawn(text, theme)
        assert (8, ["环境 ok", ""]) == (width, [row.plain for row in rows])
        assert Style(color=colour) == rows[0].spans[0].style
    assert "环境" in svg(text, 1, "a title")
