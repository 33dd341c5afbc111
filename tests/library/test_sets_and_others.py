"""`Updater.update_all` where the configuration has sets: each is updated as one, among the other components."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import UsageError
from fsm.lifecycle import State
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, data
from tests.library.sets import NEEDS, assert_as_one, ends


def with_others(root: Path, sets: dict[str, list[str]], **more: dict[str, list[str]]) -> Updater:
    """The set's three, and `d`; one job, so that the order is always the same."""
    whole = data(root, "d", "c", "b", "a", **{**NEEDS, **more})
    whole["fsm"]["jobs"] = 1
    whole["sets"] = sets
    return Updater.from_data(whole, registry=REGISTRY)


def test_whoever_updates_all_updates_sets_as_one(root, world):
    """With the others in between, each result where it belongs."""
    results = with_others(root, {"all": ["c", "b", "a"]}, d={"depends_on": ["a"]}).update_all()
    assert ends(results) == [("d", "done"), ("@all", "done"), ("a", "done"), ("b", "done"), ("c", "done")]
    assert_as_one(root, State.DONE)


def test_a_set_that_fails_stops_what_needs_a_member(root, world):
    """All of it is back, though the member itself had been fine."""
    world.acts["do:verify"] = ["ok", "fail"]
    results = with_others(root, {"all": ["c", "b", "a"]}, d={"depends_on": ["a"]}).update_all(["a", "b", "c", "d"])
    assert ends(results)[:1] + ends(results)[-1:] == [("@all", "rolled_back"), ("d", "refused")]
    assert "depends on a, which was not updated" in results[-1].reason


def test_a_set_waits_for_what_a_member_needs(root, world):
    """And is refused as a whole where that fails."""
    world.acts["do:verify"] = ["fail"]
    results = with_others(root, {"all": ["c", "b", "a"]}, a={"depends_on": ["d"]}).update_all()
    assert ends(results) == [("d", "rolled_back"), ("@all", "refused"), *((name, "refused") for name in "cba")]
    assert results[1].kind == "set"


def test_sets_that_share_members_are_one(root, world):
    """No member can be in two runs."""
    results = with_others(root, {"one": ["a", "b"], "two": ["c", "b"]}).update_all()
    assert ends(results) == [("d", "done"), ("@c+b+a", "done"), ("a", "done"), ("b", "done"), ("c", "done")]


def test_who_names_some_members_of_a_set_means_those(root, world):
    """The set is not touched."""
    results = with_others(root, {"all": ["c", "b", "a"]}).update_all(["a", "b"])
    assert ends(results) == [("a", "done"), ("b", "done")]


def test_a_set_around_another_component_cannot_be_put_in_order(root, world):
    """c needs d, which needs a: d could neither go before the set nor after it."""
    updated = with_others(root, {"all": ["c", "b", "a"]}, d={"depends_on": ["a"]}, c={"depends_on": ["d"]})
    with pytest.raises(UsageError, match="put all of them into the set"):
        updated.update_all()
    assert world.calls == []
