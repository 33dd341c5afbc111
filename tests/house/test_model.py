"""The model that spin checks (`tools/model.py`): it holds, and it is no weaker than what it is about.

Strong enough means that it fails when any entry is taken out of the lifecycle's tables, and when the executor's
protocol is broken in one of the ways of `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from fsm.lifecycle import State
from tools import model

pytestmark = [
    pytest.mark.processes,
    pytest.mark.needs_spin,
    pytest.mark.xdist_group("model"),  # what is built is built once
    pytest.mark.timeout(600),
]

UNSEEN: Final = {
    ("run", "verified", "stuck"): "nothing fires it: a member that waits is not counted, its set is (Executor.resume)",
}
"""Entries that may be taken out unseen, with the reason."""


@dataclass(frozen=True)
class Fault:
    """A mistake of the executor's, as a change of the model, and how it must show: a part of what spin says.

    In what is written instead, FAULTY says whether it is this fault's turn: all of them are built into one program,
    for gcc takes longer than the search. What holds the change is atomic, so the question is no step of its own.
    """

    what: str
    scenario: str
    old: str
    new: str
    shows: str


TORN: Final = "whole.state"
ILLEGAL: Final = "_table["
FAULTS: Final = (
    Fault(
        "a step's start is not journaled",
        "one",
        "runs[c].started[i] = true",
        "if :: FAULTY -> skip :: else -> runs[c].started[i] = true fi",
        "started",
    ),
    Fault(
        "a step's end is journaled before the effect is on the disk",
        "one",
        "runs[c].effect[at] = WHOLE; pc[c] = ACTED",
        "if :: FAULTY -> skip :: else -> runs[c].effect[at] = WHOLE fi; pc[c] = ACTED",
        "effect",
    ),
    Fault(
        "an undo's start is not journaled",
        "one",
        "runs[c].position = i - 1",
        "if :: FAULTY -> skip :: else -> runs[c].position = i - 1 fi",
        "undone",
    ),
    Fault(
        "an undo's end is journaled before the effect is on the disk",
        "one",
        "runs[c].effect[at] = NOTHING; pc[c] = ACTED",
        "if :: FAULTY -> skip :: else -> runs[c].effect[at] = NOTHING fi; pc[c] = ACTED",
        "effect",
    ),
    Fault(
        "an interrupted undo is passed over",
        "one",
        "        runs[c].attempt++;\n        pc[c] = READY\n",
        "        runs[c].attempt++;\n"
        "        if\n"
        "        :: FAULTY && runs[c].state == ROLLING_BACK && runs[c].position > 0 -> runs[c].position--\n"
        "        :: else\n        fi;\n"
        "        pc[c] = READY\n",
        "effect",
    ),
    Fault(
        "the step that failed is not undone",
        "one",
        "turn_back(c) { fire(c, FAIL);",
        "turn_back(c) { runs[c].position = (FAULTY && runs[c].position > 0 -> runs[c].position - 1 :"
        " (FAULTY -> 0 : runs[c].position)); fire(c, FAIL);",
        "effect",
    ),
    Fault(
        "the last undo and the end of the run are two commits",
        "one",
        "    :: else -> fire(c, OK)                              /* the last",
        "    :: else -> if :: FAULTY -> skip :: else -> fire(c, OK) fi       /* the last",
        "undone",
    ),
    Fault("a second updater is not refused", "one", "(!locked[c])", "(FAULTY || !locked[c])", "drivers"),
    Fault(
        "a lock outlives its process",
        "one",
        "pc[c] != TAKEN -> unlock(c)",
        "pc[c] != TAKEN -> if :: FAULTY -> drivers[c]--; pc[c] = AWAY :: else -> unlock(c) fi",
        "invalid end state",
    ),
    Fault(
        "a set is done before its last member is verified",
        "set",
        "&& ALL(VERIFIED) ->",
        "&& (FAULTY -> IS(0, VERIFIED) : ALL(VERIFIED)) ->",
        ILLEGAL,
    ),
    Fault(
        "a member does not wait for the others",
        "set",
        "VERIFIED : DONE)",
        "(FAULTY -> DONE : VERIFIED) : DONE)",
        TORN,
    ),
    Fault(
        "the members are done, and their set in a later commit",
        "set",
        "fire_set(OK); set_committed(); unlock_all()",
        "if :: FAULTY -> skip :: else -> fire_set(OK); set_committed() fi; unlock_all()",
        TORN,
    ),
    Fault(
        "a set ends before its last member is back",
        "set",
        "&& !ACTIVE(0) && !ACTIVE(1) -> end_backward()",
        "&& (FAULTY || !ACTIVE(0)) && !ACTIVE(1) -> end_backward()",
        TORN,
    ),
    Fault(
        "a set does not see what it is cancelled for",
        "set",
        "(whole.cancel || !ALL(VERIFIED)) ->",
        "(FAULTY -> whole.cancel && !ALL(VERIFIED) : whole.cancel || !ALL(VERIFIED)) ->",
        "invalid",
    ),
)


@pytest.fixture(scope="module")
def pan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The program that searches a scenario of the model as it is."""
    return cache(lambda scenario: model.build(tmp_path_factory.mktemp(scenario), model.promela(scenario)))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The program that searches a scenario with one of the faults, the one whose number it is told, or with none."""
    text = model.WRITTEN.read_text(encoding="utf-8")
    for number, fault in enumerate(FAULTS):
        text = _changed(text, fault.old, fault.new.replace("FAULTY", f"(fault == {number})"))
    told = '(getenv("FAULT") ? atoi(getenv("FAULT")) : 255)'
    text = _changed(text, "{ fill();", f"{{ fault = c_expr {{ {told} }}; fill();")
    text = f"hidden byte fault;\n{text}"

    def built(scenario: str) -> Path:
        folder = tmp_path_factory.mktemp(f"faulty-{scenario}")
        return model.build(folder, model.promela(scenario, text), model.QUICK, crashes=2)

    return cache(built)


@pytest.mark.parametrize("scenario", model.SCENARIOS)
def test_the_model_holds(pan: Callable[[str], Path], scenario: str):
    """No dead end, no set that is torn, nothing undone twice, every interrupted undo repeated."""
    wrong, states = model.search(pan(scenario))
    assert not wrong
    assert states > 10_000


@pytest.mark.parametrize("scenario", model.SCENARIOS)
def test_every_run_comes_to_rest(tmp_path: Path, scenario: str):
    """There is no way round in a circle: every run and every set ends, or waits for a person."""
    found = model.build(tmp_path, model.promela(scenario), model.CIRCLES, crashes=1)
    wrong, states = model.search(found, "-l")
    assert not wrong
    assert states > 10_000


def test_a_circle_is_found(tmp_path: Path):
    """A resume that does not count its attempts goes on for ever."""
    text = model.WRITTEN.read_text(encoding="utf-8")
    endless = _changed(text, "        runs[c].attempt++;\n        pc[c] = READY\n", "        pc[c] = READY\n")
    wrong, _ = model.search(model.build(tmp_path, model.promela("one", endless), model.CIRCLES, crashes=1), "-l")
    assert "non-progress cycle" in wrong


ENTRIES: Final = [
    pytest.param(number, kind, id=f"{kind}-{state}-{column}")
    for number, (kind, state, column, _) in enumerate(model.entries())
    if (kind, state, column) not in UNSEEN
]


@pytest.mark.parametrize(("number", "kind"), ENTRIES)
def test_an_entry_that_is_taken_out_is_missed(pan: Callable[[str], Path], number: int, kind: str):
    """Nothing in the tables is there for nothing."""
    _, state, column, _ = model.entries()[number]
    alone = kind == "run" and state is not State.VERIFIED and column != "wait"  # only a member of a set waits
    assert any(model.search(pan(scenario), gone=number)[0] for scenario in (("one", "set") if alone else ("set",)))


def test_the_unseen_entries_are_there():
    """The list of exceptions follows the tables."""
    assert set(UNSEEN) <= {entry[:3] for entry in model.entries()}


@pytest.mark.parametrize(("number", "fault"), list(enumerate(FAULTS)), ids=[fault.what for fault in FAULTS])
def test_a_fault_of_the_protocol_is_found(
    faulty: Callable[[str], Path], number: int, fault: Fault, monkeypatch: pytest.MonkeyPatch
):
    """The model sees what it is there for."""
    monkeypatch.setenv("FAULT", str(number))
    wrong, _ = model.search(faulty(fault.scenario))
    assert fault.shows in wrong


@pytest.mark.parametrize("scenario", model.SCENARIOS)
def test_it_is_the_fault_that_is_found(faulty: Callable[[str], Path], scenario: str):
    """With all of them built in and none of them chosen, nothing is wrong."""
    assert not model.search(faulty(scenario))[0]


def _changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
