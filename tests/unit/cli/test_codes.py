"""Exit codes: each documented, each outcome and error has one, the worst decides."""

from __future__ import annotations

import itertools

import pytest

from fsm import errors
from fsm.cli.codes import MEANING, SEVERITY, Code, of_error, of_outcome, worst
from fsm.engine.report import Outcome
from fsm.errors import FsmError, LeadsTo

CODES = {
    Outcome.UP_TO_DATE: 0,
    Outcome.PLANNED: 0,
    Outcome.DONE: 0,
    Outcome.REFUSED: 20,
    Outcome.ROLLED_BACK: 30,
    Outcome.FAILED: 40,
    Outcome.BUSY: 50,
    Outcome.INTERRUPTED: 75,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_code(outcome: Outcome):
    """The numbers are a promise to scripts."""
    assert of_outcome(outcome) == CODES[outcome]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError, 2),
        (errors.UsageError, 2),
        (errors.Refused, 20),
        (errors.NotReady, 20),
        (errors.Transient, 20),
        (errors.CommandFailed, 20),
        (errors.Busy, 50),
        (errors.Interrupted, 75),
        (errors.JournalError, 40),
        (errors.PlanUnknown, 40),
    ],
)
def test_an_error_that_ends_a_command_has_the_code_of_what_it_leads_to(error: type[FsmError], code: int):
    """Outside of a run nothing can be rolled back or retried: such errors touched nothing."""
    assert of_error(error("x")) == code


def test_nothing_an_error_leads_to_is_without_a_code():
    """A new member of the enum must say what its code is."""
    for leads_to in LeadsTo:
        error = type("Made", (FsmError,), {"leads_to": leads_to})
        assert of_error(error("x")) in Code


def test_every_code_is_documented_and_has_its_place():
    """The reference is made of `MEANING`; `SEVERITY` orders all of them."""
    assert set(MEANING) == set(SEVERITY) == set(Code)
    assert len(SEVERITY) == len(Code)


def test_the_worst_decides_in_any_order():
    """One failed component is not hidden by ten that are up to date."""
    for one, other in itertools.product(SEVERITY, repeat=2):
        expected = max(one, other, key=SEVERITY.index)
        assert worst([one, other]) == worst([other, one]) == expected
    assert worst([]) is Code.DONE
    assert worst([Code.ROLLED_BACK, Code.FAILED, Code.INTERRUPTED]) is Code.FAILED
    assert worst([Code.ROLLED_BACK, Code.INTERRUPTED, Code.BUSY, Code.REFUSED]) is Code.INTERRUPTED
    assert worst([Code.REFUSED, Code.AVAILABLE]) is Code.REFUSED
