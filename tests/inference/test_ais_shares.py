"""Shares of files: every file is handed out until it is done or held back, whatever happens to the chips."""

from __future__ import annotations

import random

import pytest

from backends.core.messages import line
from backends.inference.ais_shares import Shares
from backends.inference.batch_layout import Batch

WHY = line("why")


def batches(count: int) -> list[Batch]:
    return [Batch(number, (number,)) for number in range(count)]


def take(shares: Shares, chip: str) -> tuple[Batch, ...]:
    return shares.take(chip, shares.wanted(chip))


def test_shares_are_even() -> None:
    """Ten files over three chips: four, three, three."""
    shares = Shares("abc", batches(10))
    assert [4, 3, 3] == [len(take(shares, chip)) for chip in "abc"]
    assert [] == shares.free()


def test_what_a_lost_chip_left_goes_to_the_others() -> None:
    """What it had done is not done again; the file in compute is blamed, the others are not."""
    shares = Shares("ab", batches(10))
    mine, _ = take(shares, "a"), take(shares, "b")
    shares.lost("a", WHY, mine[2:], mine[2:3], again=True)
    assert 3 == shares.waiting
    shares.done("b")
    assert mine[2:] == take(shares, "b")
    shares.done("b")
    assert (True, False) == (shares.finished, shares.stuck)


def test_a_file_that_fails_two_chips_is_held_back() -> None:
    """The rest goes on."""
    shares = Shares("abc", batches(3))
    for chip in "ab":
        poison = next(batch for batch in take(shares, chip) if batch.id == 0) if chip == "a" else batches(1)[0]
        share = (poison,)
        shares.lost(chip, line("by {chip}", chip=chip), share, share, again=False)
        if chip == "a":
            shares.take("b", 1)
    assert [0] == [held.batch.id for held in shares.held]
    assert ["a", "b"] == [chip for chip, _ in shares.held[0].failures]


def test_a_lone_chip_is_tried_again_until_it_is_not_worth_it() -> None:
    """Twice; then the work is stuck."""
    shares = Shares("a", batches(4))
    for attempt in range(3):
        share = take(shares, "a")
        shares.lost("a", WHY, share, (), again=True)
        assert (["a"] if attempt < 2 else []) == shares.bring_back()
    assert shares.stuck


def test_a_chip_whose_failure_is_for_good_is_not_tried_again() -> None:
    """A model for another chip."""
    shares = Shares("a", batches(4))
    shares.lost("a", WHY, take(shares, "a"), (), again=False)
    assert [] == shares.bring_back()
    assert shares.stuck


def test_chips_left_out_are_not_waited_for() -> None:
    """They take part once the user puts them in; one that the user took out is waited for."""
    shares = Shares("ab", batches(4), {"b": line("busy")})
    assert ["a"] == shares.free()
    shares.lost("a", WHY, take(shares, "a"), (), again=False)
    assert (True, False) == (shares.stuck, shares.paused)
    assert shares.enter("b")
    assert ["b"] == shares.free()
    assert not shares.leave("b")
    assert (False, True) == (shares.stuck, shares.paused)


@pytest.mark.parametrize("seed", range(40))
def test_every_file_is_done_once_or_held(seed: int) -> None:
    """Random losses, blames, takings and putting back: nothing is lost, nothing is done twice."""
    dice = random.Random(seed)
    shares = Shares("abcd"[: dice.randint(1, 4)], batches(dice.randint(0, 30)))
    total = {batch.id for batch in shares.batches}
    done: list[int] = []
    for _ in range(2000):
        shares.bring_back()
        if shares.finished or shares.stuck:
            break
        for chip in shares.free():
            take(shares, chip)
        for chip, state in list(shares._chips.items()):
            if dice.random() < 0.1:
                shares.enter(chip)
            if state.state != "busy":
                if dice.random() < 0.05:
                    shares.leave(chip)
                continue
            made = dice.randint(0, len(state.share))
            done += [batch.id for batch in state.share[:made]]
            rest = state.share[made:]
            if dice.random() < 0.15 and shares.leave(chip):
                shares.done(chip, rest)
            elif rest:
                shares.lost(chip, WHY, rest, rest[: dice.randint(0, 1)], again=dice.random() < 0.8)
            else:
                shares.done(chip)
        if shares.paused:
            shares.enter(next(iter(shares._chips)))
    held = [held.batch.id for held in shares.held]
    assert sorted(done) == sorted(set(done))
    assert not set(done) & set(held)
    assert shares.finished or shares.stuck
    assert shares.stuck or total == set(done) | set(held)
