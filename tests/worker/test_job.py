"""What a stage reports through its job."""

from __future__ import annotations

from pathlib import Path

from backends.core.events import Event, ItemSetAside, Outcome
from backends.core.messages import line
from backends.core.stage_request import Request
from backends.worker.job import Job


def test_what_is_skipped_for_a_reason_that_may_pass_is_marked(tmp_path: Path) -> None:
    """The event and the outcome carry the mark, so that the next run can try the item again."""
    said: list[Event] = []
    job = Job(Request("frames", "", 1, tmp_path, tmp_path, tmp_path), said.append)
    job.set_aside("a", line("it is damaged"))
    job.set_aside("b", line("the disk is away"), is_temporary=True)
    outcome = job.complete(Outcome())
    assert [("a", False), ("b", True)] == [(e.item, e.is_temporary) for e in said if isinstance(e, ItemSetAside)]
    assert [False, True] == [entry.is_temporary for entry in outcome.set_aside]
    assert (2, 1) == (outcome.set_aside_count, outcome.temporary_count)
