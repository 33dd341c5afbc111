"""A set that was interrupted: what its members may do meanwhile, and how it comes to an end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.engine.report import Outcome
from fsm.lifecycle import LIMIT, State
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, data, publish, updater
from tests.library.sets import NEEDS, assert_as_one, ends, host
from tests.world import Crash, World, crash_at


def test_a_rollback_that_kills_the_updater_is_one_members_and_the_others_go_back(root, world: World):
    """It is given up where it kills for the third time; nobody is left with the new version, waiting for nothing."""
    world.acts["do:verify"] = ["ok", "ok", "fail"]
    with crash_at(0, only="set.turned_back"), pytest.raises(Crash):
        host(root).update_set("all")

    def kills(verb: str, name: str) -> None:
        if (verb, name) == ("undo", "tidy"):  # b's, which goes back before a
            raise Crash(name)

    world.before_act = kills
    for _ in range(LIMIT):
        with pytest.raises(Crash):
            host(root).resume()
    world.before_act = lambda verb, name: None
    results = {result.component: result for result in host(root).resume()}
    assert {name: str(each.outcome) for name, each in results.items()} == {
        "@all": "failed",
        "a": "rolled_back",
        "b": "failed",
        "c": "rolled_back",
    }
    assert "then b could not be rolled back" in results["@all"].reason
    assert "fsm rollback b" in results["@all"].todo
    assert host(root).resume() == []
    assert host(root).rollback("b").outcome is Outcome.ROLLED_BACK


def half_back(root: Path, world: World) -> None:
    """A set that was killed when b had failed and was back already, a not yet, and c was never begun."""
    world.acts["do:verify"] = ["ok", "fail_host"]
    with crash_at(0, only="set.turned_back"), pytest.raises(Crash):
        host(root).update_set("all")
    states = {each.component: each.last and str(each.last.outcome) for each in host(root).status()}
    assert states == {"a": "interrupted", "b": "rolled_back", "c": "interrupted"}


@pytest.mark.parametrize("verb", ["update", "rollback", "cancel"])
def test_a_member_that_is_back_already_waits_for_its_set(root, world: World, verb):
    """Else it would be at the new version when the others are rolled back, or go back further than they."""
    half_back(root, world)
    publish(root, "1.2")
    assert getattr(host(root), verb)("b").outcome is Outcome.ROLLED_BACK
    assert host(root).resume() == []
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        assert sorted(run.component for run in journal.runs()) == ["@all", "a", "b", "c"]


def test_a_member_that_is_back_already_enters_no_other_set(root, world: World):
    """It belongs to the interrupted one until that has ended."""
    half_back(root, world)
    (root / "d").write_text("1.0")
    results = updater(root, "a", "b", "c", "d", **NEEDS).update_set(["b", "d"])
    assert ends(results) == [("@b+d", "refused")]
    assert "b: cannot update b with its set: it is part of @all, which is interrupted" in results[0].reason


def test_a_rollback_that_failed_is_taken_up_though_the_set_is_interrupted(root, world: World):
    """A person who has mended the cause need not know that."""
    world.acts["do:verify"] = ["ok", "fail"]
    world.acts["undo:swap"] = ["fail_host"] * LIMIT
    with crash_at(0, only="set.turned_back"), pytest.raises(Crash):
        host(root).update_set("all")
    assert host(root).rollback("b").outcome is Outcome.ROLLED_BACK
    assert ends(host(root).resume())[0] == ("@all", "rolled_back")


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b")])
def test_updating_several_goes_on_with_their_set_once(root, world: World, names):
    """Its members are not in each other's way, at the same time or in order."""
    whole = data(root, "a", "b", "c")
    whole["sets"] = {"all": ["c", "b", "a"]}
    whole["fsm"]["jobs"] = 1
    with crash_at(2, only="step.after_do"), pytest.raises(Crash):
        Updater.from_data(whole, registry=REGISTRY).update_set("all")
    results = Updater.from_data(whole, registry=REGISTRY).update_all(names, jobs=3)
    assert ends(results) == [(name, "done") for name in names]
    assert_as_one(root, State.DONE)


def test_a_set_that_begins_its_members_anew_ends_in_time(root, world: World):
    """Also members whose runs began after the time was set are rolled back when it is up."""
    with crash_at(0, only="set.begun"), pytest.raises(Crash):
        host(root).update_set("all")
    world.acts["do:swap"] = ["retry"] * 200
    began = time.monotonic()
    results = host(root).resume(within=0.5)
    assert time.monotonic() - began < 10
    assert (results[0].outcome, results[0].reason) == (
        Outcome.ROLLED_BACK,
        "cancelled: it was not done within 0.5 s",
    )
    assert_as_one(root, State.ROLLED_BACK)


@pytest.mark.parametrize("verb", ["update", "rollback"])
def test_a_set_that_begins_while_a_member_is_about_to_be_locked_comes_first(root, world: World, monkeypatch, verb):
    """Whose a member is may change between the look and the lock; what counts is what is true under the lock."""
    entered = ComponentLock.__enter__

    def late(lock: ComponentLock) -> ComponentLock:
        monkeypatch.setattr(ComponentLock, "__enter__", entered)
        half_back(root, world)
        publish(root, "1.2")
        return lock.__enter__()

    one = host(root)
    monkeypatch.setattr(ComponentLock, "__enter__", late)
    result = getattr(one, verb)("b")
    assert result.outcome is Outcome.BUSY
    assert "it is part of @all, which is interrupted" in result.reason
    host(root).resume()
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        assert sorted(run.component for run in journal.runs()) == ["@all", "a", "b", "c"]
