"""What leases do for chips: a new process at once for faults that may pass, and devices left out from the beginning."""

from __future__ import annotations

from backends.core.messages import line
from backends.inference.batch_layout import Batch
from backends.inference.lease_events import Give, Instruction, LeaseNote, Lost, Opened, Show, Start, Started, Take
from backends.inference.lease_scheduler import Leases

FAULT = line("mdl.execute failed (507015)")


def table(devices: int, batches: int, **left_out: str) -> Leases:
    """Leases over npu:0 and on; `npu1="busy"` leaves that one out."""
    names = [f"npu:{n}" for n in range(devices)]
    out = {name.replace("npu", "npu:"): line(reason) for name, reason in left_out.items()}
    return Leases(names, (Batch(n, (n,)) for n in range(batches)), batches, left_out=out)


def open_(leases: Leases, device: str) -> tuple[Instruction, ...]:
    """The device comes up."""
    leases.handle(Started(device, 0.0))
    return leases.handle(Opened(device, 0.0, 1.0))


def lose(leases: Leases, device: str) -> tuple[Instruction, ...]:
    """It ends with a fault that may pass."""
    return leases.handle(Lost(device, 1.0, FAULT, policy="retry", hint=line("look at the plog")))


def test_a_fault_that_may_pass_is_worth_one_new_process_at_once() -> None:
    """The chip is started again though another works; its batch goes there first; the second time it is retired."""
    leases = table(2, 20)
    leases.begin(0.0)
    given = [step.batch.id for step in open_(leases, "npu:1") if isinstance(step, Give)]
    open_(leases, "npu:0")
    steps = lose(leases, "npu:1")
    assert Start("npu:1") in steps
    assert [LeaseNote(line("look at the plog"))] == [step for step in steps if isinstance(step, LeaseNote)][1:]
    again = [step.batch.id for step in open_(leases, "npu:1") if isinstance(step, Give)]
    assert given[0] not in again  # it failed here: the other chip takes it
    steps = lose(leases, "npu:1")
    assert Show("npu:1", "retired", FAULT) in steps
    assert Start("npu:1") not in steps


def test_a_chip_left_out_is_shown_and_not_started() -> None:
    """Its reason stands in the journal; the user may still put it in."""
    leases = table(2, 4, npu1="busy: train.py")
    steps = leases.begin(0.0)
    assert Show("npu:1", "out", line("busy: train.py")) in steps
    assert [Start("npu:0")] == [step for step in steps if isinstance(step, Start)]
    assert Start("npu:1") in leases.handle(Take("npu:1", 1.0, "in"))


def test_nobody_waits_for_a_chip_left_out() -> None:
    """Where the chosen ones are lost the run fails, with the reason and the mend of the last."""
    leases = table(2, 4, npu1="busy: train.py")
    leases.begin(0.0)
    leases.handle(Lost("npu:0", 1.0, FAULT, policy="never", hint=line("look at the plog")))
    assert f"no device is left: {FAULT}" == str(leases.failure)
    assert "look at the plog" == str(leases.hint)


def test_a_chip_that_was_put_in_and_taken_out_again_is_waited_for() -> None:
    """It is then the user's: the run waits for them as for any other."""
    leases = table(2, 4, npu1="busy: train.py")
    leases.begin(0.0)
    leases.handle(Take("npu:1", 1.0, "in"))
    leases.handle(Take("npu:1", 2.0, "out"))
    leases.handle(Lost("npu:0", 3.0, FAULT, policy="never"))
    assert leases.failure is None
