"""What the plain face says, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.core.client import Snapshot
from backends.core.events import DeviceChanged, Outcome, StageFinished, StageNote, StageProgress
from backends.core.messages import InputError, line
from backends.core.run_state import Run, StageRun
from r3d_tui.headless.sentences import (
    complaint,
    endings,
    failures,
    fault,
    figures_said,
    logged,
    progress_said,
    stage_name,
    stage_said,
    system_complaint,
)
from r3d_tui.lang.words import Words
from tests.replay import ReplayClient

OpenStory = Callable[..., ReplayClient]
EN, ZH = Words("en"), Words("zh")
ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,}")
"""Two words of English in a row: a sentence that nobody translated."""


def test_the_lines_of_the_log_are_in_chinese() -> None:
    """Each by the English line that the worker writes; an event that writes none has none."""
    note = StageNote("infer", line("the same clips were made before: their store is used again"), "warning")
    assert ("warning: the same clips were made before: their store is used again", "警告：") == (
        (found := logged(ZH, note) or ("", ""))[0],
        found[1][:3],
    )
    assert ("device npu:3: dropped", "设备 npu:3：已弃用") == logged(ZH, DeviceChanged("npu:3", "retired"))
    ended = logged(ZH, StageFinished("infer", 1, Outcome({"clips": 8492, "runtime": "acl"}), 1.5))
    assert ended is not None
    assert "done in 1.5 s: clips 8,492, runtime acl" == ended[0]
    assert not ENGLISH.search(ended[1])
    assert logged(ZH, StageProgress("infer", 1)) is None


def test_a_stage_is_called_by_its_word_and_by_the_name_that_one_types() -> None:
    """In English both are the same; a stage of another version keeps its name, harmless."""
    assert "infer" == stage_name(EN, "infer")
    assert "推理 (infer)" == stage_name(ZH, "infer")
    assert "later" == stage_name(ZH, "later\x1b[2J")


def test_a_done_stage_says_its_time_and_its_figures() -> None:
    """Figures have names and units in words; a nought that says nothing is left out, and so is what nobody measured."""
    measured = {"classes": 51, "videos": 1529, "missing": 0, "bytes": 5_108_293_632, "clips_per_s": None}
    stage = StageRun("preprocess", "done", seconds=70.04, outcome=Outcome(measured), set_aside_count=1)
    assert ["done 1:10", "videos 1,529", "size 5.1 GB", "1 skipped"] == stage_said(EN, stage)
    assert ["完成 1:10", "视频 1,529", "大小 5.1 GB", "跳过 1 项"] == stage_said(ZH, stage)


def test_a_failed_stage_says_why_and_the_mend() -> None:
    """And nothing of figures."""
    stage = StageRun("export", "failed", line("blocked by {stage}", stage="check"), line("run `npu-smi info` by hand"))
    assert ["failed", "blocked by check", "run `npu-smi info` by hand"] == stage_said(EN, stage)
    assert ["失败", "受阻于 环境检查"] == stage_said(ZH, stage)[:2]


@pytest.mark.parametrize(
    ("figures", "english", "chinese"),
    [
        ({"onnx_max_abs": 2.62e-6}, "ONNX largest difference 2.6e-06", "ONNX 最大差 2.6e-06"),
        ({"sim_top1": 0.98}, "simplified top-1 match 98.0 %", "简化后 top-1 一致 98.0 %"),
        ({"layout": "packed"}, "layout packed", "布局 紧凑排列"),
        ({"load_seconds": 2.5}, "loading 2.5 s", "加载 2.5 s"),
        ({"tool_throughput": 794.91}, "clips/s (the tool's) 794.9", "片段/秒（工具） 794.9"),
        ({"top1": 0.62222, "topk": 0.9, "k": 3}, "top-1 0.6222", "top-1 0.6222"),
        ({"published_top1": 0.6222}, "published top-1 0.6222", "公布的 top-1 0.6222"),
        ({"widen": 0.125}, "width factor 0.125", "宽度系数 0.125"),
        ({"new\x07": True}, "new True", "new True"),
    ],
)
def test_a_figure_is_worded_as_its_name_asks_for(figures: dict[str, object], english: str, chinese: str) -> None:
    """Differences, shares, times and rates each in their own way; an unknown one by its name."""
    assert english == figures_said(EN, "", figures)[0]  # type: ignore[arg-type]
    assert chinese == figures_said(ZH, "", figures)[0]  # type: ignore[arg-type]


def test_the_k_of_top_k_is_told() -> None:
    """As it was evaluated."""
    assert ["top-1 0.5000", "top-3 0.9000"] == figures_said(EN, "evaluate", {"top1": 0.5, "topk": 0.9, "k": 3})


def test_progress_has_unit_rate_and_time_left() -> None:
    """A stage that counts nothing yet says what it does."""
    stage = StageRun("infer", "running", done=4470, total=8486, unit="clips", rate=392.2)
    assert "4,470/8,486 clips · 392.2/s · 0:10 left" == progress_said(EN, stage)
    assert "4,470/8,486 个片段 · 392.2/s · 剩余 0:10" == progress_said(ZH, stage)
    assert "checking the graph" == progress_said(EN, StageRun("simplify", "running", note=line("checking the graph")))


def test_a_run_ends_with_its_result(story: OpenStory) -> None:
    """State, accuracy over how many videos, throughput."""
    assert [
        "run 3: done",
        "top-1 0.6226 · top-5 0.8182 · over 1,529 videos · 1 skipped",
        "8,486 clips at 1,540 clips/s",
    ] == endings(EN, story("finished").snapshot())
    assert [
        "运行 3：完成",
        "top-1 0.6226 · top-5 0.8182 · 共 1,529 个视频 · 跳过 1 项",
        "8,486 个片段，1,540 片段/秒",
    ] == endings(ZH, story("finished").snapshot())


def test_a_failed_verification_has_its_reason_once() -> None:
    """The ending says that the model is not verified; why and the fix stand with the failed stage."""
    verify = StageRun("verify", "failed", reason=line("om: logits differ"), hint=line("see verify.json"))
    snapshot = Snapshot(1, Path("/w"), Run("1", "failed", stages=(verify,)))
    assert "the model is not verified" == endings(EN, snapshot)[-1]
    told = "\n".join((*endings(EN, snapshot), *failures(EN, snapshot)))
    assert (1, 1) == (told.count("om: logits differ"), told.count("see verify.json"))


def test_the_speed_of_simulated_chips_is_labelled() -> None:
    """Right below it."""
    outcome = Outcome({"runtime": "acl simulated", "clips": 258, "clips_per_s": 8.38})
    run = Run("1", "done", stages=(StageRun("infer", "done", outcome=outcome),))
    snapshot = Snapshot(1, Path("/w"), run)
    assert ["258 clips at 8.38 clips/s", "Simulated chips: throughput is not meaningful."] == endings(EN, snapshot)[-2:]
    assert "模拟芯片：吞吐率没有意义。" == endings(ZH, snapshot)[-1]


def test_the_speed_beside_preprocess_is_labelled() -> None:
    """Right below it, with what measures infer alone."""
    outcome = Outcome({"runtime": "openvino", "clips": 258, "clips_per_s": 8.38, "clips_per_s_beside": "preprocess"})
    snapshot = Snapshot(1, Path("/w"), Run("1", "done", stages=(StageRun("infer", "done", outcome=outcome),)))
    assert [
        "258 clips at 8.38 clips/s",
        "preprocess used the same cores meanwhile: `r3d-tui rerun infer` measures infer alone",
    ] == endings(EN, snapshot)[-2:]
    assert "rerun infer" in endings(ZH, snapshot)[-1]


def test_the_rate_of_a_pass_over_servers_is_labelled() -> None:
    """With decoding."""
    outcome = Outcome({"runtime": "acl", "clips": 258, "clips_per_s": None, "pass_clips_per_s": 43.25})
    snapshot = Snapshot(1, Path("/w"), Run("1", "done", stages=(StageRun("infer", "done", outcome=outcome),)))
    assert "258 clips at 43.2 clips/s with decoding" == endings(EN, snapshot)[-1]


def test_nothing_has_run() -> None:
    """A new workspace says so."""
    assert ["nothing has run here yet"] == endings(EN, Snapshot(1, Path("/w"), Run()))


def test_what_failed_is_one_line_with_the_mend(story: OpenStory) -> None:
    """By stage."""
    (english,) = failures(EN, story("failed").snapshot())
    (chinese,) = failures(ZH, story("failed").snapshot())
    assert english.startswith("error: export: /data/models/r3d50_K_200ep.pth: ")
    assert english.endswith(")")
    assert chinese.startswith("错误：导出 (export)：/data/models/r3d50_K_200ep.pth")
    assert chinese.endswith("）")


def test_errors_are_one_line_in_the_readers_language() -> None:
    """Ours with the mend, the system's with the file, a fault of ours with what to do; all harmless."""
    ours = InputError("{path}: no r3d.toml here", hint="r3d-tui logs", path="/a\x1b[2J")
    assert "error: /a: no r3d.toml here (r3d-tui logs)" == complaint(EN, ours)
    assert complaint(ZH, ours).startswith("错误：/a：")
    assert "error: /a: No such file or directory" == system_complaint(
        EN, FileNotFoundError(2, "No such file or directory", "/a")
    )
    assert "错误：/a：没有那个文件或目录" == system_complaint(
        ZH, FileNotFoundError(2, "No such file or directory", "/a")
    )
    assert "error: odd" == system_complaint(EN, OSError("odd\x07"))
    assert "错误：ValueError：odd（这是 r3d-tui 的缺陷" in fault(ZH, ValueError("odd\x9b"))


@pytest.mark.parametrize("name", ["finished", "failed", "cpu"])
def test_chinese_holds_no_english_sentence(name: str, story: OpenStory) -> None:
    """At whatever moment of a story one looks: names and figures stay, sentences do not."""
    client = story(name, 0.0)
    seen = set()
    for at, *_ in client.story.beats[:: max(1, len(client.story.beats) // 40)]:
        client.seek(at)
        snapshot = client.snapshot()
        for stage in snapshot.run.stages:
            seen.update(stage_said(ZH, stage))
            seen.add(progress_said(ZH, stage))
        seen.update([*endings(ZH, snapshot), *failures(ZH, snapshot)])
    assert len(seen) > 10
    assert [] == sorted(text for text in seen if ENGLISH.search(text))
