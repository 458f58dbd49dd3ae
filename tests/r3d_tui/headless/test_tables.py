"""Tables of the plain face: aligned by cells, in both languages."""

from __future__ import annotations

from collections.abc import Callable

from backends.core.client import RunSummary, Snapshot
from backends.core.messages import line
from backends.core.needs import Finding
from backends.core.run_state import Run
from backends.core.values import Chip, DeviceTable, ToolFailure
from r3d_tui.headless.tables import device_lines, finding_lines, log_lines, run_lines, runs_document, status_lines
from r3d_tui.lang.words import Words
from r3d_tui.text.rows import cells
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
EN, ZH = Words("en"), Words("zh")
FINDINGS = (
    Finding("memory", "met", line("{path}", path="/a")),
    Finding("torch, guide", "unknown", line("it has no frames")),
    Finding("npu-smi", "missing", line("not found"), line("run `npu-smi info` by hand")),
)


def test_needs_say_their_state_in_words_and_the_mend_below() -> None:
    """The guide's packages are told from those that are needed."""
    assert [
        "ok       memory        /a",
        "unknown  torch, guide  it has no frames",
        "MISSING  npu-smi       not found",
        "         fix: run `npu-smi info` by hand",
    ] == list(finding_lines(FINDINGS, EN))
    chinese = list(finding_lines(FINDINGS, ZH))
    assert ["正常  内存           /a", "未知  torch（指南）  没有帧", "缺失  npu-smi        未找到"] == chinese[:3]
    assert chinese[3].startswith("      修复：")


def test_a_table_of_chips_is_aligned_in_both_languages() -> None:
    """Every line of a table has its columns in the same cells; what npu-smi does not say is a dash."""
    chips = (
        Chip(0, 0, 0, None, "310P3", "Ascend310P3", "OK", "0000:82:00.0", 15.8, 42.0, 0.0, 1074, 21534),
        Chip(11, None, None, None, "910B4-1", None, None),
    )
    for words in (EN, ZH):
        head, first, second = device_lines(DeviceTable("-", chips=chips), words)
        assert {cells(head)} == {cells(first), cells(second)}
        assert first.split()[-3:] == ["1074", "/", "21534"]
        assert second.endswith("– / –")
    assert "健康" in head


def test_no_table_of_chips_says_why_and_the_mend() -> None:
    """In the reader's language."""
    trouble = ToolFailure(None, "npu-smi not found", line("npu-smi gave no output"), line("run `npu-smi info` by hand"))
    assert ["npu-smi not found", "  npu-smi gave no output", "  run `npu-smi info` by hand"] == list(
        device_lines(DeviceTable("live", error=trouble), EN)
    )
    assert ["找不到 npu-smi", "  npu-smi 没有输出"] == list(device_lines(DeviceTable("live", error=trouble), ZH))[:2]
    assert ["npu-smi 没有列出芯片"] == list(device_lines(DeviceTable("-"), ZH))


def test_runs_are_a_table_with_headings() -> None:
    """As in the console: a speed of simulated chips stands in brackets, which are explained."""
    runs = (
        RunSummary("20261123-073133-0000", "done", 0.0, 28.8, 0.9625, 8.38, simulated=True),
        RunSummary("2", "failed", None, None),
    )
    head, first, second, note = run_lines(runs, EN)
    assert ["run", "state", "started", "time", "top-1", "clips/s"] == head.split()
    assert ["✓", "done"] == first.split()[1:3]
    assert ["28.8", "s", "0.9625", "(8.38)", "simulated"] == first.split()[5:]
    assert ["2", "✗", "failed", "–", "–", "–", "–"] == second.split()
    assert EN("sim.bracket") == note
    chinese = list(run_lines(runs, ZH))
    assert {cells(text.partition("–")[0]) for text in chinese[2:3]} == {
        cells(chinese[0].partition(ZH("runs.started"))[0])
    }
    assert ["nothing has run here yet"] == list(run_lines((), EN))


def test_a_rate_beside_preprocess_stands_in_brackets() -> None:
    """On the CPU both use the same cores: it is less than what infer alone gives, and compares with no other."""
    runs = (RunSummary("1", "done", 0.0, 28.8, 0.9625, 8.38, clips_per_s_beside="preprocess"),)
    _, first, note = run_lines(runs, EN)
    assert first.endswith("(8.38)")
    assert EN("runs.beside") == note
    assert "preprocess" == runs_document(runs)["runs"][0]["clips_per_s_beside"]


def test_the_status_is_a_line_a_stage_and_the_result(story: OpenStory) -> None:
    """Names stand in a column; a stage that runs says how far it is."""
    done = list(status_lines(story("finished").snapshot(), ZH))
    assert "评估 (evaluate)      完成 0.3 s · top-1 0.6226 · top-5 0.8182 · 视频 1,529 · 已跳过 1" in done
    assert "运行 3：完成" == done[-3]
    client = story("finished", 0.0)
    client.seek_until(lambda run: any(stage.done > 1000 for stage in run.stages))
    going = next(text for text in status_lines(client.snapshot(), EN) if text.startswith("preprocess"))
    assert "running · not built yet · 1 skipped · 1,008/1,530 videos · " in going
    assert going.endswith("left")


def test_the_status_of_a_new_workspace() -> None:
    """One line."""
    assert ["nothing has run here yet"] == list(status_lines(Snapshot(0, __file__, Run()), EN))  # type: ignore[arg-type]


def test_logs_are_listed_by_stage() -> None:
    """Paths stand in a column, harmless."""
    paths = {"check": "/a\x1b[2J", "preprocess": "/b"}
    assert ["环境检查 (check)     /a", "预处理 (preprocess)  /b"] == list(log_lines(paths, ZH))
