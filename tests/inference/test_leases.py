"""The state machine of leases: no clip lost, none counted twice, whatever happens to the devices."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backends.core.messages import line
from backends.inference.batch_layout import Batch
from backends.inference.lease_assignment import DEPTH, QUICK_DEPTH, QUICK_S
from backends.inference.lease_devices import LeaseLimits
from backends.inference.lease_events import (
    Alive,
    Answered,
    Close,
    Closed,
    Drop,
    Give,
    Happening,
    Instruction,
    Keep,
    LeaseNote,
    Lost,
    More,
    Opened,
    Overdue,
    Refused,
    Show,
    Start,
    Started,
    Stopping,
    Take,
    Tick,
    Unusable,
)
from backends.inference.lease_scheduler import Leases

KILLED = line("its process was ended by SIGKILL")


class Table:
    """Leases and what came out of them; the clock is a number."""

    def __init__(
        self, devices: int, batches: int, *, limits: LeaseLimits | None = None, restarts: int = 2, tool: bool = False
    ) -> None:
        names = [f"cpu:{n}" for n in range(devices)]
        fresh = (Batch(n, (2 * n, 2 * n + 1)) for n in range(batches))
        self.leases = Leases(names, fresh, batches, limits, restarts, tool=tool)
        self.now = 0.0
        self.flight: dict[str, list[Give]] = {name: [] for name in names}
        self.process: dict[str, str] = {}
        self.kept: list[int] = []
        self.dropped: list[int] = []
        self.notes: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self.closed: list[str] = []
        self.overdue: list[Overdue] = []
        self._take(self.leases.begin(self.now))

    def tell(self, event: object) -> None:
        """Something happened."""
        self._take(self.leases.handle(event))

    def open(self, device: str, latency: float = 1.0) -> None:
        """The device comes up."""
        self.tell(Started(device, self.now))
        self.process[device] = "open"
        self.tell(Opened(device, self.now, latency))

    def answer(self, device: str, seconds: float = 1.0) -> Give:
        """The device answers its oldest batch."""
        give = self.flight[device].pop(0)
        self.now += seconds
        self.tell(Answered(device, give.lease, self.now, seconds))
        return give

    def lose(self, device: str, *, blame: bool = True) -> None:
        """The device's process ends."""
        self.flight[device].clear()
        self.process.pop(device, None)
        self.tell(Lost(device, self.now, KILLED, blame))

    def _take(self, steps: tuple[Instruction, ...]) -> None:
        for step in steps:
            if isinstance(step, Start):
                assert step.device not in self.process
                self.process[step.device] = "new"
            elif isinstance(step, Give):
                assert self.process[step.device] == "open"
                self.flight[step.device].append(step)
                assert self.leases.tool or len(self.flight[step.device]) <= QUICK_DEPTH
            elif isinstance(step, Keep):
                self.kept.extend(step.batch.clips)
            elif isinstance(step, Drop):
                self.dropped.append(step.clip)
            elif isinstance(step, Close):
                assert self.leases.tool or not self.flight[step.device]
                self.flight[step.device].clear()
                self.process.pop(step.device)
                self.closed.append(step.device)
                if self.leases.tool:
                    self.tell(Closed(step.device, self.now))
            elif isinstance(step, Overdue):
                self.overdue.append(step)
            elif isinstance(step, Show):
                self.shown.append((step.device, step.state))
            elif isinstance(step, LeaseNote):
                self.notes.append(str(step.text))


def clips(batches: int) -> list[int]:
    """All clips of that many batches."""
    return list(range(2 * batches))


def test_an_idle_device_takes_what_a_slow_one_does_not() -> None:
    """Work is pulled: a device that answers gets more, and one that does not keeps two batches at most."""
    table = Table(2, 10)
    table.open("cpu:0")
    table.open("cpu:1")
    while table.flight["cpu:0"]:
        table.answer("cpu:0")
    assert (8, 2) == (table.leases.meter("cpu:0").clips // 2, len(table.flight["cpu:1"]))
    table.answer("cpu:1")
    table.answer("cpu:1")
    assert clips(10) == sorted(table.kept)
    assert table.leases.finished


@pytest.mark.parametrize(("seconds", "depth"), [(QUICK_S / 2, QUICK_DEPTH), (QUICK_S, DEPTH)])
def test_a_quick_device_has_one_more_batch_on_its_way(seconds: float, depth: int) -> None:
    """Where a batch takes less time than we take to look, a device must not wait for its next order."""
    table = Table(1, 10)
    table.open("cpu:0")
    assert DEPTH == len(table.flight["cpu:0"])
    table.answer("cpu:0", seconds)
    assert depth == len(table.flight["cpu:0"])


def test_the_last_batches_are_handed_out_one_by_one() -> None:
    """With as many batches left as devices none sits on two while another has nothing."""
    table = Table(2, 3)
    table.open("cpu:0")
    table.open("cpu:1")
    assert (2, 1) == (len(table.flight["cpu:0"]), len(table.flight["cpu:1"]))
    table = Table(2, 2)
    table.open("cpu:0")
    table.open("cpu:1")
    assert [1, 1] == [len(flight) for flight in table.flight.values()]


def test_what_a_lost_device_had_goes_to_another_one() -> None:
    """A lost device is retired with its reason, its batches come first at the others, and all clips count once."""
    table = Table(2, 8)
    table.open("cpu:0")
    table.open("cpu:1")
    lost = [give.batch.id for give in table.flight["cpu:0"]]
    table.lose("cpu:0")
    assert ("cpu:0", "retired") in table.shown
    assert ["cpu:0 is out of the run: its process was ended by SIGKILL"] == table.notes
    again = []
    while not table.leases.finished:
        again.append(table.answer("cpu:1").batch.id)
    assert lost == again[2:4]
    assert clips(8) == sorted(table.kept)


def test_an_answer_under_an_expired_lease_is_ignored() -> None:
    """What a retired device still says does not count; the clip counts where it was computed again."""
    table = Table(2, 2)
    table.open("cpu:0")
    table.open("cpu:1")
    late = table.flight["cpu:0"][0]
    table.lose("cpu:0")
    table.tell(Answered("cpu:0", late.lease, 1.0, 1.0))
    assert ([], 1) == (table.kept, table.leases.late)
    table.answer("cpu:1")
    table.answer("cpu:1")
    assert clips(2) == sorted(table.kept)
    table.tell(Answered("cpu:0", late.lease, 1.0, 1.0))
    assert (clips(2), 2) == (sorted(table.kept), table.leases.late)


def test_a_batch_that_fails_two_devices_is_held_back_and_named() -> None:
    """The batch goes to another device once; failing that one too it is held, and everything else is computed."""
    table = Table(3, 6)
    for device in ("cpu:0", "cpu:1", "cpu:2"):
        table.open(device)
    bad = table.flight["cpu:0"][0].batch
    table.lose("cpu:0")
    holder = ""
    while not table.leases.finished:
        device = max(("cpu:1", "cpu:2"), key=lambda name: len(table.flight[name]))
        if table.flight[device][0].batch == bad and not holder:
            holder = device
            table.lose(device)
        else:
            table.answer(device)
    assert table.leases.finished
    assert [bad] == [held.batch for held in table.leases.held]
    assert {"cpu:0", holder} == {device for device, _ in table.leases.held[0].failures}
    assert sorted({*clips(6)} - set(bad.clips)) == sorted(table.kept)


def test_taking_out_twice_is_taking_out() -> None:
    """A second press while the device still finishes does not close it under its batches."""
    table = Table(2, 12)
    table.open("cpu:0")
    for _ in range(2):
        table.tell(Take("cpu:0", 0.0, "out"))
    assert [] == table.closed
    table.answer("cpu:0")
    table.answer("cpu:0")
    assert ["cpu:0"] == table.closed


def test_a_lone_device_killed_from_outside_is_started_again_twice() -> None:
    """With no device left it is brought back up to two times; the batch it had is not blamed; then the run fails."""
    table = Table(1, 4)
    for _ in range(2):
        table.open("cpu:0")
        table.lose("cpu:0", blame=False)
        assert table.process["cpu:0"] == "new"
        assert table.leases.failure is None
    table.open("cpu:0")
    assert 0 == table.flight["cpu:0"][0].batch.id
    table.lose("cpu:0", blame=False)
    assert ("no device is left: its process was ended by SIGKILL", []) == (str(table.leases.failure), table.leases.held)


def test_a_device_is_not_brought_back_while_another_works() -> None:
    """The run goes on with what is left."""
    table = Table(2, 4)
    table.open("cpu:0")
    table.open("cpu:1")
    table.lose("cpu:0", blame=False)
    assert "cpu:0" not in table.process


def test_a_device_that_can_never_work_is_not_tried_again() -> None:
    """A loss that a new process would not mend ends the run where no other device is there."""
    table = Table(1, 4)
    table.tell(Lost("cpu:0", 0.0, line("it cannot be started"), blame=False, policy="never"))
    assert "no device is left: it cannot be started" == str(table.leases.failure)


def test_clips_that_cannot_be_read_cost_only_themselves() -> None:
    """A batch that cannot be read is tried clip by clip, and only the clip that fails alone is dropped."""
    table = Table(1, 3)
    table.open("cpu:0")

    def bad(give: Give) -> bool:
        return 2 in give.batch.clips

    while table.flight["cpu:0"]:
        give = table.flight["cpu:0"][0]
        if bad(give):
            table.flight["cpu:0"].pop(0)
            table.tell(Refused("cpu:0", give.lease, 0.0, line("damaged")))
        else:
            table.answer("cpu:0")
    assert ([0, 1, 3, 4, 5], [2]) == (sorted(table.kept), table.dropped)
    assert table.leases.finished


def test_a_device_taken_out_finishes_what_it_has_and_may_come_back() -> None:
    """Taken out it answers its batches and is closed; put back in it is started anew and works on."""
    table = Table(2, 12)
    table.open("cpu:0")
    table.open("cpu:1")
    table.tell(Take("cpu:1", 0.0, "out"))
    assert [] == table.closed
    table.answer("cpu:1")
    assert [] == table.closed
    table.answer("cpu:1")
    assert (["cpu:1"], ("cpu:1", "out")) == (table.closed, table.shown[-1])
    table.answer("cpu:0")
    assert [] == table.flight["cpu:1"]
    table.tell(Take("cpu:1", 0.0, "in"))
    table.open("cpu:1")
    assert DEPTH == len(table.flight["cpu:1"])


def test_taking_out_can_be_undone_before_it_happened() -> None:
    """Put back in while it still finishes, the device just goes on."""
    table = Table(1, 12)
    table.open("cpu:0")
    said = table.leases.handle(Take("cpu:0", 0.0, "out"))
    assert [("working", f"is being excluded: {DEPTH} batches in work end first")] == [
        (step.state, str(step.reason)) for step in said if isinstance(step, Show)
    ]
    said = table.leases.handle(Take("cpu:0", 0.0, "in"))
    assert [("working", "")] == [(step.state, str(step.reason)) for step in said if isinstance(step, Show)]
    table.answer("cpu:0")
    assert (DEPTH, []) == (len(table.flight["cpu:0"]), table.closed)


def test_with_every_device_out_the_run_waits_and_says_so() -> None:
    """That is no failure: it goes on once a device is put back in."""
    table = Table(1, 3)
    table.open("cpu:0")
    table.tell(Take("cpu:0", 0.0, "out"))
    table.answer("cpu:0")
    table.answer("cpu:0")
    assert ["no device is at work: include one to go on"] == table.notes
    assert table.leases.failure is None
    table.tell(Take("cpu:0", 0.0, "in"))
    table.open("cpu:0")
    table.answer("cpu:0")
    assert table.leases.finished


def test_a_command_for_an_unknown_device_is_a_note() -> None:
    """A wrong id harms nothing."""
    table = Table(1, 1)
    table.tell(Take("cpu:7", 0.0, "out"))
    assert ["there is no device cpu:7 in this run"] == table.notes


def test_a_stop_waits_for_what_is_in_flight() -> None:
    """After a stop nothing is handed out; the run is quiet once the last answer is in."""
    table = Table(1, 5)
    table.open("cpu:0")
    table.tell(Stopping())
    assert not table.leases.quiet
    table.answer("cpu:0")
    table.answer("cpu:0")
    assert table.leases.quiet
    assert ([0, 1, 2, 3], []) == (sorted(table.kept), table.flight["cpu:0"])


@pytest.mark.parametrize(
    ("latency", "answer_s", "limit"), [(0.001, 0.0, 10.0), (2.0, 0.0, 40.0), (2.0, 3.0, 3.0)], ids=str
)
def test_the_deadline_follows_the_devices_own_latency(latency: float, answer_s: float, limit: float) -> None:
    """Twenty times its p95 latency and ten seconds at least, or as the settings say; stalled long before."""
    table = Table(1, 5, limits=LeaseLimits(answer_s=answer_s))
    table.open("cpu:0", latency)
    table.answer("cpu:0", latency)
    table.tell(Tick(table.now + limit - 0.01))
    assert ([], ("cpu:0", "stalled")) == (table.overdue, table.shown[-1])
    table.tell(Tick(table.now + limit + 0.01))
    assert ["cpu:0"] == [step.device for step in table.overdue]
    table.answer("cpu:0", 0.1)
    assert ("cpu:0", "working") == table.shown[-1]


def test_a_process_that_never_comes_up_is_overdue() -> None:
    """Starting and loading have limits of their own."""
    table = Table(2, 5, limits=LeaseLimits(start_s=30, load_s=300))
    table.tell(Started("cpu:1", 0.0))
    table.tell(Tick(31.0))
    assert ["cpu:0"] == [step.device for step in table.overdue]
    table.tell(Tick(301.0))
    assert "cpu:1" in [step.device for step in table.overdue]


def test_an_idle_device_is_never_overdue() -> None:
    """Who owes nothing may be silent for ever."""
    table = Table(2, 1)
    table.open("cpu:0")
    table.open("cpu:1")
    table.answer("cpu:0")
    table.tell(Tick(1e6))
    assert [] == table.overdue


def test_a_tool_takes_its_share_at_once() -> None:
    """Of all that is left as much as each of the idle would get; what is lost is shared out again."""
    table = Table(2, 9, tool=True)
    table.open("cpu:0")
    table.open("cpu:1")
    assert (5, 4) == (len(table.flight["cpu:0"]), len(table.flight["cpu:1"]))
    table.answer("cpu:1")
    blamed = table.flight["cpu:1"][0].batch.id
    table.lose("cpu:1")
    while table.flight["cpu:0"]:
        table.answer("cpu:0")
    assert clips(9) == sorted(table.kept)
    assert blamed not in [held.batch.id for held in table.leases.held]


def test_a_tools_first_batches_have_the_time_of_loading() -> None:
    """It stages and loads the model for each share; from the first sign of work on the deadline is that of batches."""
    table = Table(1, 3, limits=LeaseLimits(start_s=30, load_s=300), tool=True)
    table.open("cpu:0", 0.0)
    table.tell(Tick(329.0))
    assert [] == table.overdue
    table.tell(Alive("cpu:0", 329.0, 320.0))
    table.tell(Tick(340.0))
    assert ["cpu:0"] == [step.device for step in table.overdue]


def test_a_tool_taken_out_gives_its_share_back() -> None:
    """What it has not answered when it has closed goes to the others, and nobody is blamed."""
    table = Table(2, 6, tool=True)
    table.open("cpu:0")
    table.open("cpu:1")
    table.tell(Take("cpu:1", 0.0, "out"))
    assert (["cpu:1"], ("cpu:1", "out")) == (table.closed, table.shown[-1])
    while table.flight["cpu:0"]:
        table.answer("cpu:0")
    assert clips(6) == sorted(table.kept)


def test_what_hangs_is_handed_to_an_idle_device_and_the_first_answer_counts() -> None:
    """Known to be stalled, a device's batches are computed by another; the run does not wait for its own answers."""
    table = Table(2, 3, limits=LeaseLimits(answer_s=40.0))
    table.open("cpu:0")
    table.open("cpu:1")
    hangs = list(table.flight["cpu:0"])
    table.answer("cpu:1")
    assert [] == table.flight["cpu:1"]
    table.now = 12.0
    table.tell(Tick(table.now))
    assert [give.batch for give in hangs] == [give.batch for give in table.flight["cpu:1"]]
    table.answer("cpu:1")
    table.answer("cpu:0")
    assert not table.leases.finished
    table.answer("cpu:1")
    assert table.leases.finished
    assert clips(3) == sorted(table.kept)


def test_a_device_that_hangs_for_good_costs_nothing_once_its_batches_are_done() -> None:
    """Its loss gives back only what nobody else has."""
    table = Table(2, 2, limits=LeaseLimits(answer_s=40.0))
    table.open("cpu:0")
    table.open("cpu:1")
    table.answer("cpu:1")
    table.tell(Tick(table.now + 12.0))
    table.lose("cpu:0")
    assert 1 == len(table.flight["cpu:1"])
    table.answer("cpu:1")
    assert table.leases.finished
    assert clips(2) == sorted(table.kept)


def test_scores_that_are_no_numbers_cost_their_clips_alone() -> None:
    """Another device tries the batch, then each clip is tried; what fails alone is dropped."""
    table = Table(2, 3)
    table.open("cpu:0")
    table.open("cpu:1")
    for _ in range(50):
        name = max(table.flight, key=lambda one: len(table.flight[one]))
        if table.leases.finished:
            break
        if 2 in table.flight[name][0].batch.clips:
            table.tell(Unusable(name, table.flight[name].pop(0).lease, table.now))
        else:
            table.answer(name)
    assert ([0, 1, 3, 4, 5], [2]) == (sorted(table.kept), table.dropped)


def test_a_device_that_gives_no_numbers_where_others_do_is_excluded() -> None:
    """After three batches, with what to look at; all clips count."""
    table = Table(2, 12)
    table.open("cpu:0")
    table.open("cpu:1")
    for _ in range(100):
        if "cpu:0" in table.process and table.flight["cpu:0"]:
            table.tell(Unusable("cpu:0", table.flight["cpu:0"].pop(0).lease, table.now))
        elif table.flight["cpu:1"]:
            table.answer("cpu:1")
    assert (["cpu:0"], clips(12)) == (table.closed, sorted(table.kept))
    assert any("the chip may be faulty" in note for note in table.notes)


def test_a_model_that_gives_no_numbers_at_all_ends_the_run() -> None:
    """Before all clips are tried one by one: the likely cause is the precision."""
    table = Table(1, 50)
    table.open("cpu:0")
    while table.leases.failure is None:
        table.tell(Unusable("cpu:0", table.flight["cpu:0"].pop(0).lease, table.now))
    assert "fp16" in str(table.leases.failure)
    assert len(table.dropped) <= 20


def test_a_killed_device_gets_two_new_processes_and_is_then_excluded() -> None:
    """Though another is at work; the batches are not blamed."""
    table = Table(2, 20)
    table.open("cpu:0")
    for _ in range(2):
        table.open("cpu:1")
        table.flight["cpu:1"].clear()
        table.process.pop("cpu:1")
        table.tell(Lost("cpu:1", table.now, KILLED, blame=False, is_killed=True, hint=line("memory")))
        assert "new" == table.process["cpu:1"]
    table.open("cpu:1")
    table.flight["cpu:1"].clear()
    table.process.pop("cpu:1")
    table.tell(Lost("cpu:1", table.now, KILLED, blame=False, is_killed=True))
    assert ("cpu:1", "retired") in table.shown
    assert [] == table.leases.held


@given(seed=st.integers(0, 2**32), devices=st.integers(1, 4), batches=st.integers(0, 25), tool=st.booleans())
@example(seed=104026603, devices=3, batches=23, tool=False)  # two stalled devices' batches for one idle device
@settings(max_examples=400)
def test_whatever_happens_each_clip_counts_once(seed: int, devices: int, batches: int, tool: bool) -> None:
    """Random answers, losses, stalls, late answers, bad clips and takings, for processes and tools: each clip once."""
    dice = random.Random(seed)
    table = Table(devices, batches, restarts=1000, limits=LeaseLimits(answer_s=1e6), tool=tool)
    names = list(table.flight)
    old: list[tuple[str, Give]] = []
    bad = {clip for clip in clips(batches) if dice.random() < 0.05}
    for _ in range(3000):
        if table.leases.finished:
            break
        name = dice.choice(names)
        roll = dice.random()
        if name not in table.process:
            table.tell(Take(name, table.now, "in"))
        elif table.process[name] == "new":
            table.open(name)
        elif roll < 0.05:
            old += [(name, give) for give in table.flight[name]]
            table.lose(name, blame=False)
        elif roll < 0.1:
            table.tell(Take(name, table.now, dice.choice(["in", "out"])))
        elif roll < 0.12:
            table.now += 5e5  # more than a quarter of the deadline: whoever owes an answer is stalled
            table.tell(Tick(table.now))
        elif roll < 0.2 and old:
            device, give = dice.choice(old)
            table.tell(Answered(device, give.lease, table.now, 1.0))
        elif table.flight[name]:
            if bad.intersection(table.flight[name][0].batch.clips):
                give = table.flight[name].pop(0)
                table.tell(Refused(name, give.lease, table.now, line("damaged")))
            else:
                table.answer(name)
    assert table.leases.finished
    assert sorted(set(clips(batches)) - bad) == sorted(table.kept)
    assert sorted(bad) == sorted(table.dropped)


def test_the_time_without_a_batch_is_the_only_time_that_is_left_out_of_a_rate() -> None:
    """Two devices take turns, one is lost with its batch: it was at work until then, and what it had is still to do."""
    leases = Leases(["cpu:0", "cpu:1"], iter(()), 0, open_ended=True)

    def tell(*events: Happening) -> None:
        given.extend(step.lease for event in events for step in leases.handle(event) if isinstance(step, Give))

    given: list[int] = []
    leases.begin(0.0)
    tell(Started("cpu:0", 1.0), Opened("cpu:0", 2.0, 1.0))  # from here on it waits
    tell(More((Batch(0, (0,)), Batch(1, (1,)))), Tick(5.0))
    tell(Started("cpu:1", 5.0), Opened("cpu:1", 5.0, 1.0))
    tell(Answered("cpu:0", given[0], 8.0, 3.0))
    tell(Lost("cpu:0", 11.0, KILLED, is_killed=True))
    tell(Answered("cpu:1", given[-1], 14.0, 3.0))  # both are done: from here on the other one waits
    tell(More((), is_last=True), Tick(20.0))
    assert leases.finished
    assert (5.0 - 2.0) + (20.0 - 14.0) == leases.starved_s
    assert [1 / (14.0 - 5.0), 1 / (14.0 - 11.0)] == [leases.mean_rate(name, 20.0) for name in ("cpu:0", "cpu:1")]
