"""Batches: full across videos, or one video each as the guide has them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.inference.batch_layout import ClipSpan, Spans, batches, count
from bench.null_loop import HMDB51


def spans(sizes: list[int]) -> list[ClipSpan]:
    """Videos of these many clips, numbered without gaps."""
    return [ClipSpan(sum(sizes[:n]), size) for n, size in enumerate(sizes)]


def test_packed_batches_are_full_but_for_the_last() -> None:
    """Clips of several videos share a batch."""
    assert [(0, 1, 2), (3, 4, 5), (6,)] == [b.clips for b in batches(spans([2, 4, 1]), 3, "packed")]


def test_the_guides_batches_hold_one_video() -> None:
    """A video's last batch may have slots left over; a longer video takes several."""
    assert [(0, 1), (2, 3, 4), (5,), (6,)] == [b.clips for b in batches(spans([2, 4, 1]), 3, "guide")]


@pytest.mark.parametrize(("layout", "expected"), [("packed", 850), ("guide", 1530)])
def test_hmdb51_takes_850_batches_packed_and_1530_as_the_guide(layout, expected: int) -> None:
    """The clip counts of HMDB51's validation give the published numbers of batches."""
    sizes = [size for size, videos in HMDB51.items() for _ in range(videos)]
    assert (1530, 8492) == (len(sizes), sum(sizes))
    assert expected == count(spans(sizes), 10, layout)


@given(
    sizes=st.lists(st.integers(0, 12), max_size=20),
    size=st.integers(1, 11),
    layout=st.sampled_from(["packed", "guide"]),
    done=st.sets(st.integers(0, 240)),
)
def test_every_missing_clip_is_in_one_batch(sizes: list[int], size: int, layout, done: set[int]) -> None:
    """Nothing that is done is in a batch, nothing that is missing is not, and the count is right beforehand."""
    made = list(batches(spans(sizes), size, layout, done.__contains__))
    assert [n for n in range(sum(sizes)) if n not in done] == [n for batch in made for n in batch.clips]
    assert count(spans(sizes), size, layout, done.__contains__) == len(made)
    assert list(range(len(made))) == [batch.id for batch in made]
    assert all(0 < len(batch.clips) <= size for batch in made)


@given(sizes=st.lists(st.integers(0, 12), max_size=20), seed=st.randoms())
def test_spans_are_the_list_in_the_order_of_clips(sizes: list[int], seed: random.Random) -> None:
    """Given in any order they are kept by their first clips, as columns."""
    listed = spans(sizes)
    mixed = listed.copy()
    seed.shuffle(mixed)
    found = Spans((span.first, span.clips) for span in mixed)
    assert sorted(span.first for span in listed) == [span.first for span in found]
    assert sum(sizes) == sum(span.clips for span in found)
    assert [(span.first, span.clips) for span in found] == list(zip(found.firsts, found.counts, strict=True))
    assert listed == list(Spans((span.first, span.clips) for span in listed))
