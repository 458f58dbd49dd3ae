"""report.html: one file without the network, and nothing foreign in it that a browser would obey."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace
from PIL import Image

from backends.core.client import RunResult, RunSummary
from backends.core.events import Outcome, Skipped
from backends.core.messages import line
from backends.core.run_state import DeviceRun, Run, StageRun
from backends.core.values import ClassScore, Confusion, DeviceSample, Report, VideoScore
from r3d_tui.commands.open_report import markdown_page, report_document
from r3d_tui.headless.html_report import PageContents, Thumbnail, html_page, png
from r3d_tui.lang.words import Words

HOSTILE = "<script>alert(1)</script>\x1b[2J&\u202e"
REPORT = Report(
    "validation",
    10,
    12,
    2,
    40,
    5,
    0.7,
    0.9,
    0.4,
    0.9,
    0.58,
    classes=(ClassScore(HOSTILE, 5, 3, 5), ClassScore("wave", 5, 4, 4)),
    confusions=(Confusion(HOSTILE, "wave", 2),),
    worst=(VideoScore("v1", HOSTILE, "wave", 0.9),),
    published_top1=0.6222,
)
RUN = Run(
    id="r1",
    state="done",
    started=0.0,
    ended=61.0,
    host="server",
    stages=(
        StageRun("frames", "done", seconds=3.0, set_aside=(Skipped("v9", line("cannot be read")),), set_aside_count=1),
        StageRun("infer", "done", seconds=2.0, outcome=Outcome(figures={"runtime": "acl", "clips_per_s": 794.9})),
    ),
    devices=(DeviceRun("npu:0", "310P3", clips=40, mean_clips_per_s=794.9),),
)


class Reader(HTMLParser):
    """Tags that are open, and every attribute's value."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]


def page(language: str = "en", **contents: object) -> str:
    return html_page(PageContents("w", RUN, REPORT, **contents), Words(language))  # type: ignore[arg-type]


def test_it_needs_no_network_and_runs_nothing() -> None:
    """No script, no address, no link; foreign text is text."""
    reader = Reader()
    reader.feed(page(settings=HOSTILE))
    assert not {"script", "link", "iframe", "a"} & set(reader.tags)
    assert not [value for value in reader.values if re.search(r"https?:|//", value)]
    assert "\x1b" not in page()


def test_it_shows_accuracy_rate_classes_and_what_was_skipped() -> None:
    """The rate is that of inference."""
    text = page()
    for shown in ("70.00 %", "published 62.22 %", "794.9", "3/5", "v9", "cannot be read", "1:01"):
        assert shown in text


VERIFY = {"onnx_max_abs": 2.6e-06, "onnx_cosine": 1.0, "onnx_top1": 1.0, "onnx_passed": True, "om_max_abs": 0.5,
          "om_cosine": 0.99, "om_top1": 0.8, "om_passed": False, "precision_mode": "force_fp16"}  # fmt: skip


def test_it_says_that_a_model_is_not_verified() -> None:
    """A failed verification stands with its figures and its reason in the page, in report.md and in the JSON."""
    failed = StageRun("verify", "failed", live=VERIFY, reason=line("om: logits differ | <b>"))
    run = replace(RUN, stages=(*RUN.stages, failed))
    text = html_page(PageContents("w", run, REPORT), Words("en"))
    for shown in ("the model is not verified: om: logits differ", "om force_fp16", "5.0e-01", "✗", "2.6e-06", "✓"):
        assert shown in text
    markdown = markdown_page("# Accuracy\n\n| a |\n\n## Speed\n\nfast\n", run, Words("en"))
    assert markdown.startswith("# Accuracy\n\n| a |\n\n## Verification\n\nthe model is not verified: om: logits differ")
    assert "\\| \\<b\\>" in markdown
    assert "| om force_fp16 | 5.0e-01 | 0.9900000 | 80 % | ✗ |\n\n## Speed\n\nfast\n" in markdown
    document = report_document(RunResult(RunSummary("r1", "failed", None, None, None, None), REPORT, run))
    verification = document["verification"]
    assert ("failed", "force_fp16") == (verification["state"], verification["precision_mode"])
    assert [("onnx", True), ("om", False)] == [(one["name"], one["is_passed"]) for one in verification["models"]]
    assert 0.7 == document["report"]["top1"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_not_measured_is_not_shown(language: str) -> None:
    """A run that failed before it evaluated still has its stages."""
    text = html_page(PageContents("w", Run(id="r", stages=(StageRun("frames", "failed"),))), Words(language))
    assert "frames" in text
    assert not re.search(r"Accuracy|clips/s|<svg", text)


def test_sensors_become_lines() -> None:
    """One chart for each sensor that was read, one line a device."""
    samples = [DeviceSample(f"npu:{n % 2}", float(n), temp_c=50.0 + n) for n in range(10)]
    text = page(samples=samples)
    assert 2 == text.count("<polyline")
    assert "59" in text


def test_a_thumbnail_is_a_png_of_the_frame() -> None:
    """Width, height and pixels as they were given."""
    pixels = bytes(range(24))
    data = png(Thumbnail(4, 2, pixels))
    with Image.open(io.BytesIO(data)) as found:
        assert ("PNG", "RGB", (4, 2), pixels) == (found.format, found.mode, found.size, found.tobytes())
    assert "data:image/png;base64," in page(thumbnails={"v1": Thumbnail(4, 2, pixels)})
