"""What the panels say of a snapshot."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from backends.core.client import Snapshot
from backends.core.errors import InputError
from backends.core.events import DeviceProgress, RunStarted, StageProgress, StageStarted
from backends.core.messages import line
from backends.core.run_state import DeviceRun, Run, StageRun, fold
from backends.core.values import DeviceSample
from backends.engine.replay import ReplayClient
from r3d_tui.lang.words import Words
from r3d_tui.state.rate_history import History
from r3d_tui.text.rows import Row, text_of, width_of
from r3d_tui.views import dataset, devices, dialogs, frame, infer, log, model, result, stages
from r3d_tui.views.look import SIGNS, Look

OpenStory = Callable[..., ReplayClient]
NOW = 1_760_000_250.0
VIEWS: dict[str, Callable[[Snapshot, Look], list[Row]]] = {
    "rail": stages.rail,
    "companion": stages.companion,
    "table": stages.stage_table,
    "details": stages.details,
    "dataset": dataset.dataset,
    "model": model.model,
    "devices": devices.devices,
    "infer": lambda snapshot, look: infer.infer(snapshot, look, {"": [1.0, None, 3.0]}),
    "result": result.result,
    "header": lambda snapshot, look: [frame.header(snapshot, look)],
    "tabs": lambda snapshot, look: [frame.tabs(look, "infer")],
    "footer": lambda snapshot, look: [frame.footer(snapshot, look)],
    "help": lambda snapshot, look: dialogs.help_rows(look),
}


def _look(width: int = 80, height: int = 30, selected: str = "", language: str = "en") -> Look:
    return Look(Words(language), width, height, NOW, selected)


def _text(rows: list[Row]) -> str:
    return "\n".join(text_of(line).rstrip() for line in rows)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_row_is_wider_than_its_panel(view: str, language: str, snapshots: dict[str, Snapshot]) -> None:
    """At every width, in both languages and for every story, rows fit and hold nothing that a terminal obeys."""
    narrowest = 60 if view in ("header", "tabs", "footer") else 23 if view == "rail" else 34
    for (name, snapshot), width in itertools.product(snapshots.items(), (narrowest, 54, 96, 250)):
        if width < narrowest:
            continue
        look = _look(23 if view == "rail" else width, 30, "frames", language)
        for line_ in VIEWS[view](snapshot, look):
            assert width_of(line_) <= look.width, (name, width, text_of(line_))
            assert not [c for c in text_of(line_) if unicodedata.category(c) in ("Cc", "Cf", "Cs")], (name, width)


def test_the_rail_tells_each_state_by_sign_and_word_or_figure(snapshots: dict[str, Snapshot]) -> None:
    """Done stages show their time, failed and skipped ones a word, and the vital figures stand below."""
    text = _text(stages.rail(snapshots["failed"], _look(23, selected="export")))
    assert " ✓ check          0.8 s\n" in text
    assert "›✗ export        failed\n" in text
    assert " – simplify     skipped\n" in text
    assert "aside" in text.splitlines()[-1]


def test_a_running_stage_shows_share_rate_and_time_left(inferring: ReplayClient) -> None:
    """Progress is told in per cent, units a second and time left, never as done before it is."""
    snapshot = inferring.snapshot()
    text = _text(stages.stage_table(snapshot, Look(Words("en"), 110, 12, inferring.now, "infer")))
    running = next(one for one in text.splitlines() if "infer" in one)
    stage = snapshot.run.stage("infer")
    assert f"{stage.done:,}/8,486 clips · 1,532/s" in running
    assert "left" in running


def test_a_failed_stage_shows_its_reason_and_mend(snapshots: dict[str, Snapshot]) -> None:
    """What failed, where, and what to do stand together under the list."""
    text = _text(stages.companion(snapshots["failed"], _look(90, selected="export")))
    assert "/data/models/r3d50_K_200ep.pth: the checkpoint has depth 50, 34 was asked for" in text
    assert "set depth = 50 in [model] of r3d.toml (--model_depth=50), or give another checkpoint" in text


def test_before_the_first_run_the_plan_is_shown(snapshots: dict[str, Snapshot]) -> None:
    """A new workspace lists its stages as waiting, what does not apply as skipped with its reason, and the key."""
    text = _text(stages.companion(snapshots["new"], _look(80, selected="check")))
    assert 10 == text.count("waiting\n") - 1
    assert "skipped     the target is cpu: nothing to compile for a chip" in text
    assert "r shows what would run" in text


def test_details_name_everything_that_was_set_aside(snapshots: dict[str, Snapshot]) -> None:
    """Each item set aside stands with its reason, and every figure of the outcome is listed."""
    text = _text(stages.details(snapshots["finished"], _look(90, selected="frames")))
    assert (
        "50_FIRST_DATES_kick_f_cm_np1_ba_bad_12\n    it cannot be decoded: Invalid data found when processing input"
        in text
    )
    assert f"{'videos':<30} 6,764" in text


def test_before_the_first_run_nothing_was_set_aside_nor_counted(snapshots: dict[str, Snapshot]) -> None:
    """A figure that nobody measured is a dash, not a nought."""
    assert "set aside   –" in _text(dataset.dataset(snapshots["new"], _look(80)))


def test_the_dataset_counts_what_is_there_and_what_is_not(snapshots: dict[str, Snapshot]) -> None:
    """Classes, videos, frames, clips, the store, what is missing and set aside."""
    text = _text(dataset.dataset(snapshots["finished"], _look(80)))
    for expected in (
        "5,098 listed · 1,529 to run",
        "632,635 · of 6,764 videos",
        "8,486 · 9,524 before the cut",
        "5.1 GB",
    ):
        assert expected in text


def test_the_chain_shows_each_model_and_how_far_they_agree(snapshots: dict[str, Snapshot]) -> None:
    """Nodes, sizes and times of the models, the largest difference and the cosine of each pair."""
    text = _text(model.model(snapshots["finished"], _look(90)))
    assert "resnet-50 · 51 classes · 46.3 M params · opset 11" in text
    assert "✓ om         done              –    94.4 MB      1:24  Ascend310P3 · CA" in text
    assert "pth sim            2.9e-06   0.9999999     100 %" in text


def test_a_disagreement_over_the_threshold_is_marked(snapshots: dict[str, Snapshot]) -> None:
    """A difference above the threshold of r3d.toml is drawn as bad."""
    snapshot = snapshots["finished"]
    verify = snapshot.run.stage("verify")
    assert verify.outcome is not None
    worse = replace(verify, outcome=replace(verify.outcome, figures={**verify.outcome.figures, "sim_max_abs": 0.5}))
    run = replace(snapshot.run, stages=tuple(worse if s.name == "verify" else s for s in snapshot.run.stages))
    bad = [
        span.text.strip()
        for line_ in model.model(replace(snapshot, run=run), _look(90))
        for span in line_
        if span.role == "bad"
    ]
    assert ["5.0e-01"] == bad


def test_devices_show_what_was_read_and_a_dash_for_the_rest() -> None:
    """A power that npu-smi prints as NA is a dash; a reading's age is told when it is old; trouble has its reason."""
    run = Run(
        "1",
        "running",
        devices=(DeviceRun("0", "310P3", "working", pid=3), DeviceRun("1", "310P3", "retired", line("lost"))),
    )
    samples = (
        DeviceSample("0", NOW - 60, "310P3", "OK", None, None, 43.0, 97.0, 3300, 21527, 1),
        DeviceSample("1", NOW, "310P3", "Alarm", 15.4, trouble=line("npu-smi says {x}", x="no")),
    )
    text = _text(devices.devices(Snapshot(1, ReplayClient, run, samples=samples), _look(130), "0"))  # type: ignore[arg-type]
    first, second = text.splitlines()[1:3]
    assert first.startswith("›▸ 0")
    assert " – " in first
    assert "43 °C" in first
    assert "97 %" in first
    assert "3.3/21.5" in first
    assert "✗ 1" in second
    assert "15.4 W" in second
    assert "Alarm" in second
    assert "1: lost" in text
    assert "1: npu-smi says no" in text
    assert "0: last read 1:00 ago" in text


def test_devices_stand_in_the_order_of_their_numbers() -> None:
    """Device 10 comes after device 9."""
    run = Run(devices=tuple(DeviceRun(name) for name in ("10", "9", "cpu:2", "cpu:10")))
    assert ["cpu:2", "cpu:10", "9", "10"] == [d.id for d in devices.joined(Snapshot(1, None, run))]  # type: ignore[arg-type]


def test_inference_sums_the_devices_and_leaves_out_the_retired(story: OpenStory) -> None:
    """The rate of all is that of the devices still at work; a retired one shows no rate of now."""
    client = story("cpu", 800.0)
    rows = infer.infer(client.snapshot(), Look(Words("en"), 80, 20, client.now), {})
    lines = {
        text_of(line_).split()[-0 if text_of(line_).startswith("  ") else 1]: text_of(line_).split()
        for line_ in rows
        if line_
    }
    alive, retired = lines["cpu:0"], lines["cpu:1"]
    assert "retired" in retired
    assert "–" == retired[4]
    assert alive[4] == lines["all"][2]
    assert "of publ." not in _text(rows)


def test_the_share_of_the_published_rate_is_shown_for_its_chips(inferring: ReplayClient) -> None:
    """On two 310P3 the mean of each and of both stands beside what is published."""
    rows = infer.infer(inferring.snapshot(), Look(Words("en"), 80, 20, inferring.now), {})
    assert ["97 %", "96 %", "96 %"] == [
        text_of(one)[-4:] for one in rows if text_of(one).endswith("6 %") or text_of(one).endswith("7 %")
    ]


def test_the_result_stands_beside_what_is_published(snapshots: dict[str, Snapshot]) -> None:
    """Accuracy with its interval, over how many videos, beside 0.6222, and the speed beside two such chips' rate."""
    text = _text(result.result(snapshots["finished"], _look(90)))
    assert "0.6226  952 of 1,529 videos" in text
    assert "0.6222  (+0.0004, inside it)" in text
    assert "1,529/1,530 · 1 set aside" in text
    assert "97 % of 1,590 published for 2 such chips" in text
    assert "sword_exercise    → draw_sword" in text
    assert "published for" not in _text(result.result(snapshots["cpu"], _look(90)))


def test_a_result_that_is_not_there_is_not_invented(snapshots: dict[str, Snapshot]) -> None:
    """Without a report the panel says when it will come."""
    assert "No result yet" in _text(result.result(snapshots["new"], _look(90)))


def test_the_header_says_what_stands_in_the_way(inferring: ReplayClient) -> None:
    """A silent engine, a dead one, and a workspace that cannot be read are told in the header."""
    snapshot, look = inferring.snapshot(), Look(Words("en"), 100, 1, inferring.now)
    assert "the engine has been silent for 0:12" in text_of(frame.header(replace(snapshot, stalled_s=12.0), look))
    assert "no engine works on this run" in text_of(frame.header(replace(snapshot, alive=False), look))
    assert "disk gone" in text_of(frame.header(snapshot, look, broken="disk gone"))
    assert "read only" in text_of(frame.header(snapshot, look, read_only=True))


def test_the_footer_offers_what_can_be_done_now(snapshots: dict[str, Snapshot], inferring: ReplayClient) -> None:
    """While a run is on it offers stop, after a failure rerun, and to a watcher neither."""
    look = _look(120)
    assert " s stop" in text_of(frame.footer(inferring.snapshot(), look))
    assert " f rerun failed" in text_of(frame.footer(snapshots["failed"], look))
    assert " r run" not in text_of(frame.footer(snapshots["failed"], look, read_only=True))
    assert "? help" in text_of(frame.footer(snapshots["failed"], _look(24)))


def test_the_footer_offers_what_the_panel_can_do(snapshots: dict[str, Snapshot], inferring: ReplayClient) -> None:
    """Devices are sorted, filtered and taken out in their panels; results and videos are offered once there."""
    look = _look(120)
    told = text_of(frame.footer(inferring.snapshot(), look, panel="devices"))
    assert " Space out/in  Enter open it  / search  S sort" in told
    assert "Space" not in text_of(frame.footer(inferring.snapshot(), look, panel="devices", read_only=True))
    assert "Space" not in text_of(frame.footer(snapshots["finished"], look, panel="devices"))
    assert " & matches only  n next match" in text_of(frame.footer(snapshots["finished"], look, panel="log"))
    assert " o results  b videos" in text_of(frame.footer(snapshots["finished"], look))
    new = text_of(frame.footer(snapshots["new"], look))
    assert " o results" not in new + text_of(frame.footer(inferring.snapshot(), look))
    assert " b videos" not in new


def test_a_preview_tells_what_runs_and_why(story: OpenStory) -> None:
    """Each stage stands with what would be done to it and the reason; the sum stands above."""
    from backends.core.client import RunRequest

    client = story("failed")
    rows = dialogs.preview(client.preview(RunRequest("rerun")), _look(90))
    text = _text(rows)
    assert text.startswith("2 to run, 5 perhaps, 3 kept as they are")
    assert "▸ export      run         asked for" in text
    assert "? infer       perhaps     runs if simplify gives something new" in text


def test_an_error_shows_its_mend() -> None:
    """The line and, under it, the hint."""
    error = InputError("{path}: not there", hint="name another", path="/x\x1b[2J")
    assert "/x: not there\n\nname another" == _text(dialogs.trouble(error, _look(60)))


def test_the_help_lists_every_key_and_every_sign() -> None:
    """Nothing that can be done is missing from the help, nor is a sign of a stage's state."""
    from r3d_tui.views.actions import ACTIONS

    text = _text(dialogs.help_rows(_look(90)))
    words = Words("en")
    assert [] == [action.name for action in ACTIONS if words(f"action.{action.name}") not in text]
    assert all(f"{SIGNS[state][0]} {state}" in text for state in ("done", "failed", "skipped", "cached", "interrupted"))


def test_a_log_marks_what_was_searched_for() -> None:
    """Small letters find capitals too; every match of a line is marked; errors and warnings have their role."""
    assert [0, 2] == log.matches(["An Error", "fine", "error"], "error")
    assert [2] == log.matches(["error", "fine", "Error"], "Error")
    assert ["er", "er"] == [span.text for span in log.log_row("never over", "er") if span.role == "match"][:2]
    assert "bad" == log.log_row("E10007: failed", "")[0].role
    assert "warn" == log.log_row("a warning", "")[0].role


def test_history_keeps_a_second_apart_and_begins_anew_with_a_run() -> None:
    """Values within a second replace each other; the sum stands under the empty name; a new run forgets the old."""
    history = History()
    run = fold(Run(), RunStarted("1", ("infer",), 1))
    one = replace(fold(run, DeviceProgress("0", 10, 5.0)), devices=(DeviceRun("0", state="working", clips_per_s=5.0),))
    history.add(one, 0.0)
    history.add(replace(one, devices=(DeviceRun("0", state="working", clips_per_s=6.0),)), 0.5)
    history.add(replace(one, devices=(DeviceRun("0", state="working", clips_per_s=7.0),)), 1.5)
    assert [6.0, 7.0] == list(history.rates["0"]) == list(history.rates[""])
    history.add(fold(Run(), RunStarted("2", (), 1)), 2.0)
    assert {} == history.rates


def test_a_stage_of_an_unknown_kind_is_shown_all_the_same() -> None:
    """A stage, state or unit that this version has no word for shows by its own name."""
    run = fold(Run(), RunStarted("1", ("polish",), 1))
    run = fold(run, StageStarted("polish", 1, line("why"), 2), NOW)
    run = fold(run, StageProgress("polish", 1, 3, "gems", 1.0), NOW)
    text = _text(stages.stage_table(Snapshot(1, None, run), _look(120, selected="polish")))  # type: ignore[arg-type]
    assert "polish" in text
    assert "1/3 gems" in text
    assert StageRun("polish").state == "waiting"
