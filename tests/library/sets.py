"""A host with a set of three, for tests of the façade."""

from __future__ import annotations

from pathlib import Path

from fsm.engine.journal import Journal
from fsm.engine.report import UpdateResult
from fsm.lifecycle import State
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, data

NEEDS = {"c": {"depends_on": ["b"]}, "b": {"depends_on": ["a"]}}


def host(root: Path) -> Updater:
    """A set of three, each of which needs the one before, and one job, so that the order is always the same."""
    whole = data(root, "c", "b", "a", **NEEDS)
    whole["fsm"]["jobs"] = 1
    whole["sets"] = {"all": ["c", "b", "a"]}
    return Updater.from_data(whole, registry=REGISTRY)


def ends(results: list[UpdateResult]) -> list[tuple[str, str]]:
    """The components and their outcomes, in order."""
    return [(result.component, str(result.outcome)) for result in results]


def assert_as_one(root: Path, state: State) -> None:
    """The set and all of its members ended alike, and the journal is whole."""
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        (run,) = [run for run in journal.runs() if run.kind == "set"]
        members = journal.members(run.id)
        assert {each.state for each in (run, *members)} == {state}, [(each.component, each.state) for each in members]
        assert len(members) == 3
        assert journal.runs(in_progress=True) == []
        assert journal.verify()[0] == []
        assert journal.database.integrity() == []
