"""The table, the guard that enforces it, and the plan that a resume thaws."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import transitions

from fsm import lifecycle
from fsm.adapter import Draft, Registry
from fsm.engine import machine
from fsm.engine.machine import Guard, IllegalMove
from fsm.engine.plan import freeze, load, thaw
from fsm.errors import ConfigError, JournalError, PlanError, PlanUnknown
from fsm.lifecycle import RESTING, SET_TABLE, TABLE, Event, State
from fsm.model import Version
from fsm.registry import _Place
from tests import fault_points
from tests.world import REGISTRY, STEPS, CellAdapter

BOTH = pytest.mark.parametrize("table", [TABLE, SET_TABLE], ids=["run", "set"])


@BOTH
def test_the_table_has_each_state_once_and_no_dead_end(table):
    """Every state is reached from idle, and from every state a resting one is reached."""
    states = [row.state for row in table]
    assert states == [state for state in State if state in states]
    moves = lifecycle.transitions(table)
    assert len({(event, source) for event, source, _ in moves}) == len(moves)
    reach = {state: {state} for state in states}
    for _ in states:
        for _, source, target in moves:
            reach[source] |= reach[target]
    assert reach[State.IDLE] == set(states)
    assert all(reach[state] & RESTING for state in states)
    assert {row.state for row in table if row.crash is None} <= RESTING
    assert all(row.crash in (None, row.state) for row in table)


def test_a_run_has_every_state():
    """The table of a component's run is the one that the enumeration is of."""
    assert [row.state for row in TABLE] == list(State)
    assert lifecycle.row(State.DONE).start is State.CHECKING


@BOTH
def test_the_guard_takes_exactly_the_moves_of_the_table(table):
    """No jump, no typo, nothing beside it."""
    legal = {(event, source): target for event, source, target in lifecycle.transitions(table)}
    for event, source in itertools.product(Event, [row.state for row in table]):
        guard = Guard(source, table)
        if (event, source) in legal:
            assert guard.fire(event) is legal[event, source]
        else:
            with pytest.raises(IllegalMove):
                guard.fire(event)
            assert guard.state is source
        assert not [name for name in dir(guard) if name.startswith("to_")]
        guard.release()
        assert guard not in machine._machine(table).models


def test_an_unknown_stored_state_is_said():
    """Not guessed at."""
    with pytest.raises(JournalError, match="dreaming"):
        Guard("dreaming")
    with pytest.raises(JournalError, match="verified"):
        Guard("verified", SET_TABLE)


def test_the_picture_and_the_table_come_from_the_code():
    """One line for each move, one row for each state."""
    assert lifecycle.diagram().count("-->") == len(lifecycle.transitions()) + 1
    assert "    done: done\\nthe new version runs\n" in lifecycle.diagram()
    assert "| done | the new version runs | checking | – | – |" in lifecycle.markdown_table()
    assert lifecycle.markdown_table().count("\n") == len(State) + 2
    assert lifecycle.diagram(SET_TABLE).count("-->") == len(lifecycle.transitions(SET_TABLE)) + 1


def test_a_draft_out_of_order_or_with_a_name_twice_is_no_plan():
    """An adapter's bug, found before anything was touched."""
    for steps in (reversed(STEPS), (STEPS[0], STEPS[0])):
        draft = Draft(steps=tuple(step() for step in steps))
        with pytest.raises(PlanError, match="out of order or twice"):
            freeze("c", "cells", draft, from_version=None, to_version=Version("1"))


def test_a_plan_comes_back_as_it_was():
    """Through the journal's text."""
    draft = Draft(steps=tuple(step() for step in STEPS))
    made = freeze("c", "cells", draft, from_version=Version("1"), to_version=Version("2"))
    again = load(made.model_dump_json())
    assert again == made
    assert thaw(again, REGISTRY) == draft.steps


@pytest.mark.parametrize("text", ["", "[]", "null", '{"schema_version": 1}', '{"schema_version": 2}'])
def test_a_damaged_or_newer_plan_is_said(text):
    """One line, no traceback."""
    with pytest.raises(PlanUnknown):
        load(text)


def test_arguments_that_no_longer_fit_are_said():
    """A step that has changed its fields."""
    draft = Draft(steps=(STEPS[0](),))
    made = freeze("c", "cells", draft, from_version=None, to_version=Version("2"))
    planned = made.steps[0].model_copy(update={"args": {"surprise": 1}})
    with pytest.raises(PlanUnknown, match="has invalid arguments"):
        thaw(made.model_copy(update={"steps": (planned,)}), REGISTRY)
    with pytest.raises(PlanUnknown, match="type 'gone'"):
        thaw(made.model_copy(update={"component_type": "gone"}), REGISTRY)


def test_adapters_are_found_and_a_wrong_one_is_said(tmp_path, monkeypatch):
    """Also where another package hides ours."""
    assert "python_app" in Registry.discover().types
    assert isinstance(Registry.of(CellAdapter()).get("cells"), CellAdapter)
    (tmp_path / "hidingplace").mkdir()
    (tmp_path / "hidingplace" / "__init__.py").write_text("not_an_adapter = dict\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for value, text in (
        ("hidingplace.missing:X", "another package of that name may hide it"),
        ("hidingplace:X", "cannot load"),
        ("hidingplace:not_an_adapter", "not an fsm.adapter.Adapter"),
        ("nowhere_at_all:X", "cannot load"),
    ):
        with pytest.raises(ConfigError, match=text):
            Registry({"odd": _Place("odd", value)}).get("odd")
    sys.modules.pop("hidingplace", None)


def test_fault_points_are_literal_and_listed(tmp_path: Path):
    """A test can prove that none was forgotten."""
    (tmp_path / "a.py").write_text('faults.point("x.y")\nother.point("no")\n')
    assert [name for name, _ in fault_points.declared(tmp_path)] == ["x.y"]
    (tmp_path / "b.py").write_text("faults.point(name)\n")
    with pytest.raises(ValueError, match="literal"):
        list(fault_points.declared(tmp_path))
    names = [name for name, _ in fault_points.declared(Path("fsm"), Path("components"))]
    assert len(names) == len(set(names))


def test_the_first_runs_of_a_process_may_begin_at_once(monkeypatch):
    """All guards belong to one machine, also those that are made while it is."""

    class Slow(transitions.Machine):
        def __init__(self, *args: Any, **options: Any) -> None:
            time.sleep(0.02)
            super().__init__(*args, **options)

    monkeypatch.setattr(transitions, "Machine", Slow)
    machine._made.cache_clear()
    together = threading.Barrier(4)

    def one(_: int) -> None:
        together.wait()
        guard = Guard("idle")
        together.wait()
        guard.release()

    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(4)))
    finally:
        machine._made.cache_clear()
