"""Lines of words for people."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from backends.core.messages import InputError, Line, R3dError, fill, line


def test_facts_fill_the_template() -> None:
    """Names and formats are filled in."""
    assert "4 videos at 2.50/s" == str(line("{n} videos at {rate:.2f}/s", n=4, rate=2.5))


def test_a_missing_or_odd_fact_shows_instead_of_failing() -> None:
    """A fact that is not there stays a name; one of another type shows as it is."""
    assert "{n} and none" == str(line("{n} and {m:.2f}", m="none"))


def test_facts_are_data() -> None:
    """Braces in a fact are not a template; attribute access in a template reaches nothing."""
    assert "{n.__class__} x {y}" == str(Line("{n.__class__} x {m}", {"n": 1, "m": "{y}"}))


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_filling_never_raises(template: str, facts: dict[str, str]) -> None:
    """Whatever the template is."""
    assert isinstance(fill(template, facts), str)


def test_an_error_words_itself_and_its_mend() -> None:
    """Message and hint share the facts; the exit code follows the tree."""
    error = InputError("{path}: empty", hint="fill {path}", path="x")
    assert "x: empty (fill x)" == str(error)
    assert (2, 1) == (error.exit_code, R3dError.exit_code)
    assert "x: empty" == str(pickle.loads(pickle.dumps(error.line)))
