"""A large document read bit by bit says what it says read in one go."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from backends.core.codec import DecodeError, dumps, loads
from backends.core.incremental_json import loads_stepwise
from backends.core.values import ClassScore, Confusion, Report, VideoScore

REPORT = Report("validation", 3, 3, 0, 9, 5, 0.5, 1.0, 0.1, 0.9, 0.5)
ODD = 'x],"worst":[{"label'
FULL = replace(
    REPORT,
    classes=(ClassScore("wave", 3, 1, 3), ClassScore(ODD, 1, 1, 1)),
    confusions=(Confusion("wave", ODD, 2), Confusion(ODD, "w]}", 1), Confusion("a", "b", 1)),
    worst=(VideoScore("v", "wave", "clap", 0.5),),
    published_top1=0.5,
)


@pytest.mark.parametrize(
    "report", [REPORT, FULL, replace(FULL, worst=()), replace(FULL, worst=(), published_top1=None)]
)
def test_it_is_the_same_report(report: Report) -> None:
    """With and without each list, in our spelling and in another."""
    text = dumps(report)
    assert report == loads_stepwise(Report, text.encode())
    assert report == loads_stepwise(Report, json.dumps(json.loads(text), indent=1).encode())


@pytest.mark.parametrize("report", [FULL, replace(FULL, worst=()), replace(FULL, worst=(), published_top1=None)])
@pytest.mark.parametrize("most", [0, 1, 2, 3, 9])
def test_of_a_list_so_many_are_read(report: Report, most: int) -> None:
    """Its first ones; what stands behind it is read whole, whatever the names in it look like."""
    text = dumps(report)
    expected = replace(report, confusions=report.confusions[:most])
    assert expected == loads_stepwise(Report, text.encode(), {"confusions": most})
    assert expected == loads_stepwise(Report, json.dumps(json.loads(text), indent=1).encode(), {"confusions": most})


@pytest.mark.parametrize("cut", [0, 1, 40, 200, -1])
def test_a_torn_document_is_refused_as_ever(cut: int) -> None:
    """DecodeError, wherever it ends."""
    with pytest.raises(DecodeError):
        loads_stepwise(Report, dumps(FULL).encode()[:cut])


def test_a_value_that_does_not_fit_is_refused_with_its_place() -> None:
    """As reading in one go says it."""
    text = dumps(FULL).replace('"videos":2}', '"videos":"two"}')
    with pytest.raises(DecodeError) as expected:
        loads(Report, text)
    with pytest.raises(DecodeError) as found:
        loads_stepwise(Report, text.encode())
    assert str(expected.value) == str(found.value)
