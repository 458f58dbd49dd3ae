"""The child's side: one request in, events out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from backends.core.codec import dumps
from backends.core.events import ItemSetAside, StageFailed, StageFinished, StageProgress, StageStopped, from_json
from backends.core.processes import child_environment
from backends.worker.job import Job, Request

TOYS = Path(__file__).parents[1] / "engine"


def work(entry: str, tmp_path: Path, commands: Sequence[bytes] = (), **params: object) -> tuple[list[object], str, int]:
    """Events, log and exit code of one request, with lines behind it on standard input."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    request = Request("s", entry, 1, tmp_path, out, tmp_path, params)
    environment = child_environment(tmp_path, {"PYTHONPATH": f"{TOYS}:{TOYS.parents[1]}"})
    with subprocess.Popen(
        [sys.executable, "-m", "backends.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        child.stdin.writelines(text + b"\n" for text in (dumps(request).encode(), *commands))
        child.stdin.flush()
        said = [from_json(text) for text in child.stdout]
        log = child.stderr.read().decode()
        return said, log, child.wait(10)


def test_a_stage_reports_and_ends_with_its_outcome(tmp_path: Path) -> None:
    """Progress comes first, the outcome last, and the exit code is 0."""
    said, _, code = work("toys:count", tmp_path, items=4)
    assert isinstance(said[0], StageProgress)
    assert isinstance(said[-1], StageFinished)
    assert ({"items": 4}, 0) == (said[-1].outcome.figures, code)


def test_standard_output_is_kept_apart_from_the_protocol(tmp_path: Path) -> None:
    """What is printed lands in the log; what was skipped is in the outcome."""
    said, log, _ = work("toys:add", tmp_path)
    assert [ItemSetAside, StageFinished] == [type(event) for event in said]
    assert isinstance(said[-1], StageFinished)
    assert 1 == said[-1].outcome.set_aside_count
    assert "a library prints" in log
    assert "skipped: odd one: it is odd" in log
    assert "done in 0.0 s: total 0" in log


def test_the_log_ends_with_figures_as_people_read_them(tmp_path: Path) -> None:
    """Rounded and with units, none that nobody measured, none under two names."""
    _, log, _ = work("toys:measure", tmp_path)
    expected = (
        "clips/s 32.08, clips 8,492, 155 MB, videos skipped 2, largest difference 1.907e-06, peak 6,359, "
        "layout packed, clips resumed 0"
    )
    assert expected == log.splitlines()[-1].partition("done in 0.0 s: ")[2]


@pytest.mark.parametrize(
    ("entry", "code", "words"),
    [
        ("toys:fail", 1, "not mended"),
        ("toys:crash", 1, "ZeroDivisionError: a fault with [markup] in it"),
        ("no_such_module:run", 3, "the Python module no_such_module is missing"),
        ("toys:nothing", 1, "AttributeError"),
    ],
)
def test_every_end_is_one_line(tmp_path: Path, entry: str, code: int, words: str) -> None:
    """An error, a fault and a missing module end as one event each; the traceback is in the log."""
    said, log, ended = work(entry, tmp_path, mended=str(tmp_path / "no"))
    assert isinstance(said[-1], StageFailed)
    assert words in str(said[-1].message)
    assert (code, code) == (said[-1].exit_code, ended)
    assert "Traceback" in log


def test_ticks_are_throttled_but_the_last_one_is_said(tmp_path: Path) -> None:
    """A thousand calls make a handful of ticks; the one that reaches the total is always among them."""
    said: list[object] = []
    job = Job(Request("s", "x:y", 1, tmp_path, tmp_path, tmp_path), said.append)
    for done in range(1001):
        job.progress(done, 1000, "videos")
    assert len(said) < 10
    assert StageProgress("s", 1000, 1000, "videos") == said[-1]


ODD = (
    b"[1]",
    b"null",
    b"{",
    b"[" * 20_000,
    b"\xff",
    b'{"command": "settled"}',
    b'{"command": "settled", "stage": "a", "upstream": 3}',
)


def test_what_is_not_a_command_is_logged_and_the_next_one_obeyed(tmp_path: Path) -> None:
    """The thread that reads commands goes on: it is also what ends the stage with its engine."""
    said, log, code = work("toys:endless", tmp_path, commands=(*ODD, b'{"command": "stop"}'))
    assert (StageStopped, 130) == (type(said[-1]), code)
    assert len(ODD) == log.count("not a command: ")


def test_commands_reach_the_stage(tmp_path: Path) -> None:
    """Stop raises at the next check; other commands are handed over once."""
    job = Job(Request("s", "x:y", 1, tmp_path, tmp_path, tmp_path), lambda _: None)
    command = json.loads('{"command": "device", "id": "cpu:1", "take": "out"}')
    job.obey(command)
    assert [command] == job.commands()
    assert [] == job.commands()
    job.check_stop()
    job.obey({"command": "stop"})
    with pytest.raises(Exception, match="stopped on request"):
        job.check_stop()
