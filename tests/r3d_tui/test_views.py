"""What the panels say of a snapshot."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from backends.core.client import Preview, Snapshot
from backends.core.command_reports import Overview, SettingChange
from backends.core.events import DeviceProgress, RunStarted, StageProgress, StageStarted
from backends.core.messages import InputError, line
from backends.core.plan import Plan, Stage
from backends.core.run_state import DeviceRun, Run, StageRun, fold
from backends.core.settings import InferSettings, Settings
from backends.core.values import DeviceSample
from r3d_tui.lang.words import Words
from r3d_tui.panels.catalogue import VIEWS as PANELS
from r3d_tui.panels.panel import Scene
from r3d_tui.state.board_state import BoardState
from r3d_tui.state.feed import History
from r3d_tui.state.log_buffer import level, log_row, matches
from r3d_tui.text.rows import Row, text_of, width_of
from r3d_tui.views import chips, dataset, devices, dialogs, failure, frame, model, ready, result, running, stages
from r3d_tui.views.frame import strip
from r3d_tui.views.look import SIGNS, Look
from r3d_tui.views.phase import durations, forecast, whole_left
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
NOW = 1_760_000_250.0
VIEWS: dict[str, Callable[[Snapshot, Look], list[Row]]] = {
    **{
        f"panel {view.name}": partial(lambda rows, snapshot, look: rows(_scene(snapshot), look), view.rows)
        for view in PANELS
    },
    "strip": lambda snapshot, look: [strip(snapshot, look)],
    "details": stages.details,
    "header": lambda snapshot, look: [frame.header(snapshot, look)],
    "footer": lambda snapshot, look: [frame.footer(snapshot, look)],
    "help": lambda snapshot, look: dialogs.help_rows(look),
}


def _scene(snapshot: Snapshot) -> Scene:
    found = devices.joined(snapshot)
    state = BoardState(snapshot=snapshot, device="0")
    state.rates.rates[""] = deque([1.0, None, 3.0])
    return Scene(state, snapshot, Words("en"), NOW, "", found, found)


def _table(snapshot: Snapshot, width: int = 80) -> tuple[chips.ChipTable, Look]:
    return chips.table_of(snapshot, devices.joined(snapshot), {}), Look(Words("en"), width, 20, NOW)


def _look(width: int = 80, height: int = 30, selected: str = "", language: str = "en") -> Look:
    return Look(Words(language), width, height, NOW, selected)


def _text(rows: list[Row]) -> str:
    return "\n".join(text_of(line).rstrip() for line in rows)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_row_is_wider_than_its_panel(view: str, language: str, snapshots: dict[str, Snapshot]) -> None:
    """At every width, in both languages and for every story, rows fit and hold nothing that a terminal obeys."""
    narrowest = 60 if view in ("header", "strip", "footer", "panel main", "panel chips") else 34
    for (name, snapshot), width in itertools.product(snapshots.items(), (narrowest, 54, 96, 250)):
        if width < narrowest:
            continue
        look = _look(width, 30, "frames", language)
        for line_ in VIEWS[view](snapshot, look):
            assert width_of(line_) <= look.width, (name, width, text_of(line_))
            assert not [c for c in text_of(line_) if unicodedata.category(c) in ("Cc", "Cf", "Cs")], (name, width)


def test_the_strip_tells_each_stage_by_its_sign_and_counts_those_that_are_settled(
    snapshots: dict[str, Snapshot],
) -> None:
    """What failed stands in capitals; at the right is how many stages need no more work."""
    text = text_of(strip(snapshots["failed"], _look(80)))
    assert text.startswith(" ✓check ✓frames ✓annot ✓prep ✗ONNX ·sim –om ·infer")
    assert text.endswith("5/11 ")
    assert " ✓ annotate  ✓ preprocess  ✓ export" in text_of(strip(snapshots["finished"], _look(140)))


def test_a_running_stage_shows_share_rate_and_time_left(inferring: ReplayClient) -> None:
    """Progress is told in per cent, units a second and time left, never as done before it is."""
    snapshot = inferring.snapshot()
    text = _text(stages.stage_table(snapshot, Look(Words("en"), 110, 12, inferring.now, "infer")))
    running = next(one for one in text.splitlines() if "infer" in one)
    stage = snapshot.run.stage("infer")
    assert f"{stage.done:,}/8,486 clips · 1,532/s" in running
    assert "left" in running


def test_a_failure_is_a_card_with_its_fix(snapshots: dict[str, Snapshot]) -> None:
    """Cause, fix with the lines of r3d.toml, what was kept and what is blocked; no traceback."""
    change = SettingChange("model.depth", 16, "depth = 34", "depth = 50")
    log_lines = ["reading", "Traceback (most recent call last):", '  File "x.py", line 1', "InputError: no"]
    text = _text(failure.failure(snapshots["failed"], _look(90), change, log_lines))
    assert "the checkpoint has depth 50, 34 was requested" in text
    assert "set model.depth = 50 in r3d.toml" in text
    assert "- depth = 34   (r3d.toml line 16)" in text
    assert "+ depth = 50" in text
    assert "Kept     check, frames, annotate, preprocess (" in text
    assert "Blocked  simplify, infer, verify, score, evaluate" in text
    assert "Traceback" not in text
    assert 'File "x.py"' not in text
    assert "InputError: no" in text


def test_the_accuracy_stands_on_the_card_of_a_failed_verification(snapshots: dict[str, Snapshot]) -> None:
    """What was measured is not hidden by a failure that nothing depends on."""
    snapshot = snapshots["finished"]
    stages_ = tuple(replace(s, state="failed") if s.name == "verify" else s for s in snapshot.run.stages)
    text = _text(failure.failure(replace(snapshot, run=replace(snapshot.run, stages=stages_)), _look(90)))
    assert re.search(r"Accuracy +top-1 0\.\d{4} · 1,5\d\d of 1,530 videos", text)


def test_inference_is_what_is_watched_where_other_stages_run_beside_it(inferring: ReplayClient) -> None:
    """The header names infer while verify follows it, and so does the log that is shown."""
    snapshot = inferring.snapshot()
    follower = StageRun("verify", "running", started=NOW - 2)
    run = replace(snapshot.run, stages=(*(s for s in snapshot.run.stages if s.name != "verify"), follower))
    snapshot = replace(snapshot, run=run)
    assert "▸ infer" in text_of(frame.header(snapshot, _look(120)))
    assert "infer" == BoardState(snapshot=snapshot).selected
    assert "verify" not in _text(running.running(snapshot, _look(80), _table(snapshot)[0]))


def test_the_result_is_shown_while_verify_goes_on(snapshots: dict[str, Snapshot]) -> None:
    """The accuracy is there before the verdict on the model: verify's bar stands above it."""
    snapshot = snapshots["finished"]
    verify = StageRun("verify", "running", started=NOW - 2, done=10, total=40, unit="clips")
    stages_ = tuple(verify if s.name == "verify" else s for s in snapshot.run.stages)
    run = replace(snapshot.run, state="running", ended=None, stages=stages_)
    main = next(view for view in PANELS if view.name == "main")
    text = _text(main.rows(_scene(replace(snapshot, run=run, alive=True)), _look(90)))
    assert re.match(r" verify .* 25 %  10/40", text)
    assert re.search(r"\n+  top-1 0\.\d{4} ", text)


def test_before_the_first_run_data_model_target_and_plan_stand_together(story: OpenStory) -> None:
    """What is configured, whether it is there, and how many stages would run; no dash, and no perhaps."""
    from backends.core.client import RunRequest

    client = story("new")
    plan = client.preview(RunRequest())
    overview = Overview(51, 6766, 51, 1530, "resnet-50", 51)
    text = _text(ready.ready(client.snapshot(), _look(80), (), overview, plan))
    assert "DATA    videos                   ✓ 51 classes, 6,766 videos" in text
    assert "✓ 51 classes · 1,530 validation videos" in text
    assert "✓ resnet-50 · 51 classes = annotation" in text
    assert "PLAN    10 stages run, 0 up to date" in text
    assert "–" not in text


def test_contradictions_are_named_before_anything_runs(snapshots: dict[str, Snapshot]) -> None:
    """What does not fit together stands in the pane, each in its sentence."""
    overview = Overview(contradictions=(line("{a} but {b}", a="51", b="10"),))
    assert "✗ 51 but 10" in _text(ready.ready(snapshots["new"], _look(80), (), overview))


def test_time_is_estimated_from_the_last_run_or_not_at_all(story: OpenStory) -> None:
    """Where every stage that would run has run before, their times are the ground, side by side as the run was; else
    none is shown. With room each stage stands with what it would do.
    """
    client = story("finished")
    again = tuple(Preview(stage.name, "run", line("again")) for stage in client.snapshot().run.stages)
    took = durations([client.snapshot().run])
    text = _text(ready.plan_rows(client.snapshot(), _look(120), again, None, took, 20))
    assert "11 stages run, 0 up to date · about 1:" in text
    assert re.search(r"▸ compile +1:24  again", text)
    assert "(preprocess 1:28, compile 1:24, verify 0:11)" in text
    new = story("new")
    assert "about" not in _text(ready.plan_rows(new.snapshot(), _look(120), again, None, {}, 20))


def test_stages_beside_each_other_are_counted_as_the_plan_lets_them_run() -> None:
    """Two at once where the plan says two, one after the other where it says one; what runs keeps its place."""
    stages = (Stage("a", "x:y", 1), Stage("b", "x:y", 1), Stage("c", "x:y", 1), Stage("d", "x:y", 1, ("a", "c")))
    needed = {"a": 10.0, "b": 4.0, "c": 3.0, "d": 1.0}
    assert 11.0 == forecast(Plan(Path("/w"), stages, parallel=2), needed)
    assert 18.0 == forecast(Plan(Path("/w"), stages, parallel=1), needed)
    assert 14.0 == forecast(Plan(Path("/w"), stages, parallel=1), {**needed, "b": 0.0}, {"a"})
    assert 4.0 == forecast(Plan(Path("/w"), stages, parallel=2), {"c": 3.0, "d": 1.0})
    follower = (*stages[:2], Stage("e", "x:y", 1, ("b",), follows=("b",)))
    assert 10.0 == forecast(Plan(Path("/w"), follower, parallel=2), {"a": 10.0, "b": 4.0, "e": 5.0})
    assert 6.0 == forecast(Plan(Path("/w"), follower, parallel=2), {"b": 6.0, "e": 5.0})


def test_details_name_everything_that_was_skipped(snapshots: dict[str, Snapshot]) -> None:
    """Each skipped item stands with its reason, and every figure of the outcome is listed."""
    text = _text(stages.details(snapshots["cpu"], _look(90, selected="frames")))
    assert (
        "50_FIRST_DATES_kick_f_cm_np1_ba_bad_12\n    it cannot be decoded: Invalid data found when processing input"
        in text
    )
    assert f"{'videos':<30} 6,764" in text


def test_before_the_first_run_nothing_was_skipped_nor_counted(snapshots: dict[str, Snapshot]) -> None:
    """A figure that nobody measured is a dash, not a nought."""
    assert "skipped     –" in _text(dataset.dataset(snapshots["new"], _look(80)))


def test_the_dataset_counts_what_is_there_and_what_is_not(snapshots: dict[str, Snapshot]) -> None:
    """Classes, videos, frames, clips, the store, what is missing and skipped."""
    text = _text(dataset.dataset(snapshots["cpu"], _look(80)))
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
    assert "✓ om         done              –    94.4 MB      1:24  Ascend310P3 · fo" in text
    assert "sim                                2.9e-06  0.9999999        100 %  ✓" in text
    assert "om                                 1.2e-02  0.9999962        100 %  ✓  force_fp16" in text


def test_a_model_over_its_limits_is_marked(snapshots: dict[str, Snapshot]) -> None:
    """verify says of each model whether it holds; the .om's precision mode stands beside it, also where it failed."""
    snapshot = snapshots["finished"]
    verify = snapshot.run.stage("verify")
    assert verify.outcome is not None
    measured = {**verify.outcome.figures, "sim_passed": True, "om_max_abs": 0.5, "om_cosine": 0.99, "om_top1": 0.8}
    measured |= {"om_passed": False, "precision_mode": "force_fp16"}
    reason = line("om: logits differ")
    failed = replace(verify, state="failed", outcome=None, live=measured, reason=reason)
    run = replace(snapshot.run, stages=tuple(failed if s.name == "verify" else s for s in snapshot.run.stages))
    snapshot = replace(snapshot, run=run)
    text = _text(model.model(snapshot, _look(90)))
    assert re.search(r"^sim .* 100 % +✓", text, re.MULTILINE)
    assert re.search(r"^om +5.0e-01 +0.9900000 +80 % +✗ +force_fp16", text, re.MULTILINE)
    assert "parity onnx 2.6e-06 ✓  sim 2.9e-06 ✓  om 5.0e-01 ✗" in _text(model.brief(snapshot, _look(90)))
    assert "✗ the model is not verified: om: logits differ" in _text(result.result(snapshot, _look(90)))


def test_chips_show_what_was_read_and_who_uses_them() -> None:
    """Before inference: health, load, memory, heat with its sign, and why a chip would not be taken."""
    samples = (
        DeviceSample("npu:0", NOW - 2, "310P3", "OK", None, None, 43.0, 0.0, 1000, 21527, 0),
        DeviceSample("npu:1", NOW - 2, "310P3", "OK", 15.4, None, 93.0, 87.0, 9800, 21527, 1, used_by="pid 4121 python",
                     not_taken=line("busy: {names}", names="python")),
    )  # fmt: skip
    snapshot = Snapshot(1, None, Run(), settings=Settings(), samples=samples)  # type: ignore[arg-type]
    table, look = _table(snapshot, 80)
    first, second = (text_of(one) for one in chips.chip_table(table, look, "npu:1")[1:])
    assert first.startswith(" [x] 0")
    assert "1.0/21.5" in first
    assert second.startswith("›[ ] 1")
    assert "93!" in second
    assert "busy: python" in second
    assert "npu-smi 2 s ago" == chips.reading_age(table.devices, look)


def test_infer_devices_says_which_chips_are_taken() -> None:
    """A chip that is named is taken though it is busy; one that is not named is not."""
    busy = DeviceSample("npu:1", NOW, "310P3", not_taken=line("busy"))
    chosen = Settings(infer=InferSettings(target="ascend", devices=(1,)))
    assert chips.included(devices.Device("npu:1", None, busy), chosen)
    assert not chips.included(devices.Device("npu:0", None, DeviceSample("npu:0", NOW)), chosen)


def test_devices_stand_in_the_order_of_their_numbers() -> None:
    """Device 10 comes after device 9."""
    run = Run(devices=tuple(DeviceRun(name) for name in ("10", "9", "cpu:2", "cpu:10")))
    assert ["cpu:2", "cpu:10", "9", "10"] == [d.id for d in devices.joined(Snapshot(1, None, run))]  # type: ignore[arg-type]


def test_the_total_leaves_out_what_was_dropped_and_says_why(story: OpenStory) -> None:
    """The rate of all is that of the devices still at work; a dropped one is told below the table with its reason."""
    snapshot = story("cpu", 800.0).snapshot()
    table, look = _table(snapshot)
    text = _text(chips.chip_table(table, look, ""))
    alive = next(one for one in text.splitlines() if "cpu:0" in one).split()
    total = next(one for one in text.splitlines() if "total" in one).split()
    assert alive[5] == total[3]
    assert "% REF" not in text
    assert "✗ cpu:1 dropped: no answer for 60 s" in _text(chips.chip_news(table, look))


def test_the_share_of_the_reference_is_shown_for_its_network_alone(inferring: ReplayClient) -> None:
    """Two 310P3 stand beside the published rate of the guide's network; another network has no such column."""
    snapshot = inferring.snapshot()
    table, look = _table(snapshot)
    rows = [text_of(one) for one in chips.chip_table(table, look, "")]
    assert "% REF" in rows[0]
    assert "    97  " in rows[1]
    assert "% of ref ×2" in _text(running.running(snapshot, look, table))
    other = replace(snapshot, settings=replace(snapshot.settings, infer=InferSettings(target="ascend", batch=8)))
    table, look = _table(other)
    assert "% REF" not in _text(chips.chip_table(table, look, ""))


def test_a_share_of_the_clips_is_a_bar_for_each_chip(inferring: ReplayClient) -> None:
    """A chip that did less has the shorter bar; nobody's bar is full before the work is done."""
    table, look = _table(inferring.snapshot(), 130)
    bars = [text_of(one).count("━") for one in chips.chip_table(table, look, "")[1:3]]
    assert bars[0] > bars[1] > 0


def test_the_result_stands_beside_what_is_published(snapshots: dict[str, Snapshot]) -> None:
    """Accuracy with its interval on one axis with 0.6222; the throughput beside the reference, its doubt in amber."""
    snapshot = snapshots["finished"]
    rows = result.result(snapshot, _look(90), devices.joined(snapshot))
    text = _text(rows)
    assert " top-1 0.6226   952 of 1,529 videos" in text
    axis = next(one for one in text.splitlines() if "●" in one)
    assert axis.index("┣") < axis.index("●") < axis.index("┫")
    assert "published 0.6222 (+0.0004, inside the interval)" in text
    assert "1,529 of 1,530 videos (validation) · 8,486 clips · 1 skipped" in text
    assert "97 % of ref" in text
    assert "sword_exercise → draw_sword" in text
    doubt = next(span for line_ in rows for span in line_ if "not significant" in span.text)
    assert "warn" == doubt.role
    other = snapshots["cpu"]
    assert "% of ref" not in _text(result.result(other, _look(90), devices.joined(other)))


def test_a_result_that_is_not_there_is_not_invented(snapshots: dict[str, Snapshot]) -> None:
    """Without a report the panel says when it will come."""
    assert "No result yet" in _text(result.result(snapshots["new"], _look(90)))


def test_time_left_is_of_the_whole_run_where_earlier_ones_tell() -> None:
    """Along what depends on what, stages side by side counted once; else of the stages that run now, else nothing."""
    planned = tuple(
        Stage(name, "x:y", 1, after=after)
        for name, after in (("frames", ()), ("export", ()), ("infer", ("frames", "export")), ("score", ("infer",)))
    )
    half = StageRun("frames", "running", done=50, total=100, rate=5.0, started=0.0)
    run = Run(id="r", state="running", started=0.0, stages=(half, StageRun("export", "running", started=0.0)))
    run = replace(run, stages=(*run.stages, StageRun("infer"), StageRun("score")))
    snapshot = Snapshot(1, Path("/w"), run, plan=Plan(Path("/w"), planned), alive=True)
    took = durations([Run(stages=tuple(StageRun(n, "done", seconds=s) for n, s in TOOK)), Run()])
    look = Look(Words("en"), 120, 1, 4.0)
    assert 26.0 + 30.0 + 2.0 == whole_left(snapshot, took, 4.0)
    assert "about 0:58 left" in text_of(frame.header(snapshot, look, took=took))
    assert whole_left(snapshot, {**took, "export": 3.0}, 4.0) == 10.0 + 30.0 + 2.0
    early = replace(run, stages=(replace(half, done=1, rate=0.1), *run.stages[1:]))
    known = {**took, "export": 3.0, "frames": 20.0}
    assert whole_left(replace(snapshot, run=early), known, 4.0) == 16.0 + 30.0 + 2.0
    del took["score"]
    assert "· 0:10 left" in text_of(frame.header(snapshot, look, took=took))
    silent = replace(run, stages=(replace(half, rate=None), *run.stages[1:]))
    assert "left" not in text_of(frame.header(replace(snapshot, run=silent), look))


TOOK = (("export", 30.0), ("infer", 30.0), ("score", 2.0))


def test_the_header_says_what_stands_in_the_way(inferring: ReplayClient) -> None:
    """A silent engine, a dead one, and a workspace that cannot be read are told in the header."""
    snapshot, look = inferring.snapshot(), Look(Words("en"), 100, 1, inferring.now)
    assert "the engine has been silent for 0:12" in text_of(frame.header(replace(snapshot, stalled_s=12.0), look))
    assert "no engine works on this run" in text_of(frame.header(replace(snapshot, alive=False), look))
    assert "disk gone" in text_of(frame.header(snapshot, look, broken="disk gone"))
    assert "read only" in text_of(frame.header(snapshot, look, read_only=True))


def test_the_bottom_line_has_at_most_seven_keys_the_recommended_first(
    snapshots: dict[str, Snapshot], inferring: ReplayClient
) -> None:
    """Each phase recommends its next step; a watcher is offered nothing that changes anything."""
    look = _look(120)
    assert text_of(frame.footer(snapshots["new"], look)).startswith("  Enter RUN ")
    assert text_of(frame.footer(snapshots["failed"], look)).startswith("  f APPLY FIX AND RERUN ")
    assert text_of(frame.footer(snapshots["finished"], look)).startswith("  Enter RESULTS ")
    assert " s stop" in text_of(frame.footer(inferring.snapshot(), look))
    watching = text_of(frame.footer(inferring.snapshot(), look, read_only=True))
    assert "stop" not in watching
    assert "Space" not in watching
    assert "? help" in text_of(frame.footer(snapshots["failed"], _look(40)))
    for snapshot in snapshots.values():
        assert len(frame.offered(snapshot)) <= frame.MOST


def test_a_contradiction_before_a_run_is_in_the_header_and_its_fix_comes_first(snapshots: dict[str, Snapshot]) -> None:
    """Where the settings contradict the data nothing is ready; f is offered where a setting would solve it."""
    look = _look(120)
    fixable = line("set {setting} = {value}", setting="model.classes", value=10)
    for contradiction, keys in ((fixable, "  f APPLY FIX "), (line("no videos"), "  Enter RUN ")):
        overview = Overview(contradictions=(contradiction,))
        assert text_of(frame.footer(snapshots["new"], look, overview=overview)).startswith(keys)
        assert "✗ not ready" in text_of(frame.header(snapshots["new"], look, overview=overview))
    assert "ready to run" in text_of(frame.header(snapshots["new"], look, overview=Overview()))


def test_a_preview_tells_what_runs_and_why(story: OpenStory) -> None:
    """Each stage stands with what would be done to it and the reason; the sum stands above."""
    from backends.core.client import RunRequest

    client = story("failed")
    rows = dialogs.preview(client.preview(RunRequest("rerun")), _look(90))
    text = _text(rows)
    assert text.startswith("7 to run, 3 up to date")
    assert "▸ export      run " in text
    assert "▸ infer       run " in text
    assert "perhaps" not in text


def test_an_error_shows_its_fix() -> None:
    """The line and, under it, the hint."""
    error = InputError("{path}: not there", hint="name another", path="/x\x1b[2J")
    assert "/x: not there\n\nname another" == _text(dialogs.error_rows(error, _look(60)))


def test_the_help_lists_every_key_and_every_sign() -> None:
    """Nothing that can be done is missing from the help, nor is a sign of a stage's state."""
    from r3d_tui.views.actions import ACTIONS

    text = _text(dialogs.help_rows(_look(90)))
    words = Words("en")
    assert [] == [action.name for action in ACTIONS if words(f"action.{action.name}") not in text]
    states = ("done", "failed", "skipped", "cached", "interrupted")
    assert all(f"{SIGNS[state][0]} {words(f'state.{state}')}" in text for state in states)


def test_a_log_marks_what_was_searched_for() -> None:
    """Small letters find capitals too; every match of a line is marked; errors and warnings have their role."""
    assert [0, 2] == matches(["An Error", "fine", "error"], "error")
    assert [2] == matches(["error", "fine", "Error"], "Error")
    assert ["er", "er"] == [span.text for span in log_row("never over", "er", "") if span.role == "match"][:2]
    assert ["bad", "warn", ""] == [level(text) for text in ("E10007: failed", "a warning", "12:30:01 fine")]
    assert [("12:30:01 ", "dim"), ("a warning", "warn")] == [
        (span.text, span.role) for span in log_row("12:30:01 a warning", "", "warn")
    ]


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
