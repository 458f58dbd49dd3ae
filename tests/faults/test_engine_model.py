"""Any order of run, rerun, stop, kill and edits: the engine does what a model of twenty lines says."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backends.core.client import RunRequest
from backends.core.messages import InputError
from backends.core.plan import Stage
from tests.engine.conftest import Bench

AFTER = {"a": (), "b": ("a",), "c": (), "d": ("b", "c")}
"""`a` and `c` read a file each; `b` depends on `a`, `d` on `b` and `c`."""
DEPENDANTS = {"a": {"a", "b", "d"}, "b": {"b", "d"}, "c": {"c", "d"}, "d": {"d"}}
FILES = {"a": "x", "c": "y"}


class Engine(RuleBasedStateMachine):
    """The real engine beside the model: what each stage must give, and which work is known to be done."""

    played: ClassVar[int] = 0
    """Stories that came to their end."""

    @initialize()
    def begin(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="r3d-model-"))
        self.tally = self.place / "tally"
        self.tally.touch()
        (self.place / "w").mkdir()
        self.bench = Bench(self.place / "w")
        self.texts, self.factor = {"x": "1", "y": "22"}, 1
        for name, text in self.texts.items():
            (self.place / name).write_text(text)
        self.made: set[str] = set()
        """Work that is known to be done, as lines of the tally."""
        self.allowed: Counter[str] = Counter()
        """How often each line may stand in the tally at most."""

    # --- the model ---------------------------------------------------------------------------------------------------

    def work(self) -> dict[str, str]:
        """The tally's line of each stage, as the files and the factor are now."""
        figures: dict[str, int] = {}
        lines = {}
        for name, after in AFTER.items():
            factor = self.factor if name == "b" else 1
            total = len(self.texts.get(FILES.get(name, ""), "")) + sum(figures[other] for other in after)
            figures[name] = total * factor
            lines[name] = f"{name} {factor} {total}"
        return lines

    def expect(self, forced: set[str]) -> dict[str, str]:
        """The states in which a run must end, which is then known to be done."""
        states = {}
        for name, text in self.work().items():
            states[name] = "cached" if text in self.made and name not in forced else "done"
            self.allowed[text] += states[name] == "done"
            self.made.add(text)
        return states

    def stages(self) -> tuple[Stage, ...]:
        """The plan for the files and the factor as they are now."""
        return tuple(
            Stage(
                name,
                "fault_toys:tally",
                1,
                after,
                {"factor": self.factor} if name == "b" else {},
                {"tally": str(self.tally)},
                {"text": self.place / FILES[name]} if name in FILES else {},
            )
            for name, after in AFTER.items()
        )

    # --- what can happen ---------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["x", "y"]), text=st.sampled_from(["1", "22", "333"]))
    def edit(self, name: str, text: str) -> None:
        self.texts[name] = text
        (self.place / name).write_text(text)

    @rule(factor=st.sampled_from([1, 2]))
    def change(self, factor: int) -> None:
        self.factor = factor

    @rule(force=st.sampled_from([None, "a", "b", "c", "d"]))
    def run_to_the_end(self, force: str | None) -> None:
        interrupted = self.bench.client.snapshot().run.state == "interrupted"
        self.bench.stages = self.stages()
        request = RunRequest("rerun", (force,)) if force else RunRequest()
        end = self.bench.run(request)
        assert "done" == end.run.state
        expected = self.expect(DEPENDANTS[force] if force else set())
        found = self.bench.states(end)
        if interrupted:  # a run that was taken up again shows what it did before as done
            assert set(found.values()) <= {"done", "cached"}
        else:
            assert expected == found
        for stage in end.run.stages:
            assert stage.outcome is not None
            assert (
                int(self.work()[stage.name].split()[2]) * (self.factor if stage.name == "b" else 1)
                == (stage.outcome.figures["items"])
            )

    @rule(seconds=st.floats(0, 0.8), how=st.sampled_from(["kill", "stop", "kill worker"]))
    def interrupt(self, seconds: float, how: str) -> None:
        self.bench.stages = self.stages()
        self.bench.client.start(RunRequest())
        time.sleep(seconds)
        for text in self.work().values():  # nobody knows how far it came: each may have been done once more, or not
            self.allowed[text] += 1 + (how == "kill worker")
        with contextlib.suppress(InputError, AssertionError, ProcessLookupError):
            if how == "kill":
                os.kill(self.bench.engine(), signal.SIGKILL)
            elif how == "stop":
                self.bench.client.stop()
            else:
                for pid in self.bench.pids():
                    os.kill(pid, signal.SIGKILL)
        ended = self.bench.wait(lambda s: not s.alive)
        assert ended.run.state in ("done", "stopped", "interrupted")
        for stage in ended.run.stages:
            if stage.state in ("done", "cached"):
                self.made.add(self.work()[stage.name])

    @rule()
    @precondition(lambda self: hasattr(self, "bench"))
    def look(self) -> None:
        """A preview says what a run would do, and changes nothing."""
        self.bench.stages = self.stages()
        before = self.tally.read_text()
        previews = {preview.stage: preview.action for preview in self.bench.client.preview(RunRequest())}
        for name in ("a", "c"):
            if self.work()[name] in self.made:
                assert "cached" == previews[name]
        assert before == self.tally.read_text()

    @invariant()
    def nothing_is_done_more_often_than_it_must(self) -> None:
        if hasattr(self, "tally"):
            done = Counter(self.tally.read_text().splitlines())
            assert {text: n for text, n in done.items() if n > self.allowed[text]} == {}

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            for pid in self.bench.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.bench.client.close()
            shutil.rmtree(self.place, ignore_errors=True)
            type(self).played += 1


def examine(examples: int, steps: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many stories were played; raises where the engine differs from the model in one."""
    folder = Path(__file__).resolve().parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), str(folder.parent / "engine"))))
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    limits = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=checks,
        phases=(Phase.generate,),  # real processes: a failure need not come again, so nothing is shrunk
        database=None,
    )
    before = Engine.played
    run_state_machine_as_test(Engine, settings=limits)
    return Engine.played - before


@pytest.mark.slow
def test_the_engine_equals_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few short stories, other ones each time."""
    assert examine(5, 10, monkeypatch) >= 5


@pytest.mark.soak
def test_the_engine_equals_its_model_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many longer ones."""
    assert examine(40, 15, monkeypatch) >= 40
