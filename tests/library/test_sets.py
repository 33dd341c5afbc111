"""Several components as one: all of them are updated, or none, whatever happens in between."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random
from typing import SupportsIndex

import pytest
from hypothesis import settings

from fsm.aio import AsyncUpdater
from fsm.engine.executor.context import Context
from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.engine.plan import Plan
from fsm.engine.progress import ProgressEvent
from fsm.engine.report import Outcome, UpdateResult
from fsm.errors import ConfigError, UsageError
from fsm.host.checking import Checking
from fsm.lifecycle import LIMIT, State
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, data, publish, updater
from tests.library.sets import NEEDS, assert_as_one, ends, host
from tests.lock_holder import locked_elsewhere
from tests.world import WORLD, Act, Crash, World, crash_at


def test_all_reach_their_new_version(root, world):
    """Dependencies first; the end of all is one commit."""
    told: list[ProgressEvent] = []
    updated = host(root)
    updated.observe(told.append)
    results = updated.update_set("all")
    assert ends(results) == [("@all", "done"), ("a", "done"), ("b", "done"), ("c", "done")]
    assert results[0].headline.startswith("@all: all members updated in ")
    assert_as_one(root, State.DONE)
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        rows = [(row.seq, row.kind) for run in journal.runs() for row in journal.log(run.id)]
    commit = [kind for _, kind in sorted(rows)][-8:]
    assert [kind for kind in commit if kind not in ("state", "ended")] == []
    states = [(event.component, event.state) for event in told if event.kind == "state"]
    verified = [name for name, state in states if state is State.VERIFIED]
    assert verified == ["a", "b", "c"]
    assert states.index(("c", State.VERIFIED)) < states.index(("a", State.DONE))


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


def test_a_set_that_was_changed_meanwhile_goes_on_with_the_members_it_began_with(root, world):
    """Nobody is told that a newcomer is up to date, and who has left is locked all the same."""
    with crash_at(1, only="set.member_ended"), pytest.raises(Crash):
        host(root).update_set("all")
    whole = data(root, "c", "b", "a", "new", **NEEDS)
    whole["sets"] = {"all": ["new", "b", "a"]}
    changed = Updater.from_data(whole, registry=REGISTRY)
    with ComponentLock(root / "state", "c"):
        assert ends(changed.update_set("all")) == [("@all", "busy")]
    assert ends(changed.update_set("all")) == [("@all", "done"), ("a", "done"), ("b", "done"), ("c", "done")]
    assert_as_one(root, State.DONE)


def test_many_components_with_long_names_are_updated_as_one(root, world):
    """Their names together are longer than a file's name may be."""
    names = [f"{letter * 60}-{number}" for number, letter in enumerate("abcdef")]
    results = updater(root, *names).update_set(names)
    assert {outcome for _, outcome in ends(results)} == {"done"}
    assert len(results) == 7


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_one_that_fails_takes_all_back(root, world: World, fails):
    """In reverse order; the others' versions are not blamed for it, and the next try says who is."""
    good: list[Act] = ["ok"] * (fails - 1)
    world.acts["do:verify"] = [*good, "fail"]
    results = host(root).update_set("all")
    assert {outcome for _, outcome in ends(results)} <= {"rolled_back", "refused"}
    assert results[0].outcome is Outcome.ROLLED_BACK
    culprit = "abc"[fails - 1]
    assert results[0].reason == f"{culprit}: it does not work"
    assert_as_one(root, State.ROLLED_BACK)
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        assert [name for name in "abc" if journal.policy.blocks(name, version_of(root))] == [culprit]
        at = {run.component: run.ended_at for run in journal.runs()}
        innocent = [name for name in "cba" if name != culprit and name < culprit]
        assert sorted(innocent, key=lambda name: str(at[name])) == innocent
    again = host(root).update_set("all")
    assert ends(again) == [("@all", "refused")]
    assert f"{culprit}: cannot update {culprit}" in again[0].reason
    assert ends(host(root).update_set("all", force=True))[0] == ("@all", "done")


def version_of(root: Path):
    """The release that there is."""
    return host(root).plan("a", force=True).to_version


def test_a_member_that_cannot_be_planned_touches_none(root, world):
    """A hold of one of them refuses all."""
    host(root).hold("b", "not now")
    results = host(root).update_set("all")
    assert ends(results) == [("@all", "refused")]
    assert "b: cannot update b: updates have been held since " in results[0].reason
    assert results[0].blocked == "held"
    assert world.calls == []


def test_a_member_that_is_up_to_date_is_left_alone(root, world):
    """The others are updated; when all are, nothing is done."""
    (root / "b").write_text("1.1")
    results = host(root).update_set("all")
    assert ends(results) == [("@all", "done"), ("a", "done"), ("c", "done"), ("b", "up_to_date")]
    for name in "abc":
        (root / name).write_text("1.1")
    assert ends(host(root).update_set("all")) == [("@all", "up_to_date")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fails", [None, 2])
def test_killed_anywhere_it_ends_as_one(root, world: World, fails):
    """At a fault point of the whole way: a resume brings all to the new version, or all back."""
    # Each of them takes minutes (the profile `thorough`); a sample begins where its seed says, and `tests/crash` kills
    # at every point of a set's own.
    stride = {"quick": 20, "default": 8}.get(settings.get_current_profile_name(), 1)
    number = Random(os.environ["FSM_CRASH_SEED"]).randrange(stride)
    while True:
        for path in (root / "state").rglob("*"):
            if path.is_file():
                path.unlink()
        world.calls.clear()
        world.acts["do:verify"] = [] if fails is None else Script(["fail"])
        try:
            with crash_at(number):
                host(root).update_set("all")
        except Crash:
            resumed(root)
            if begun(root):
                assert_as_one(root, State.DONE if fails is None else State.ROLLED_BACK)
            number += stride
            continue
        break
    assert number > 150


class Script(list[Act]):
    """The second member's check fails, however often it is called."""

    def pop(self, index: SupportsIndex = -1) -> Act:
        """What the check does now: the first member's last step comes after its own check."""
        return "fail" if WORLD.calls.count("do:tidy") else "ok"


def begun(root: Path) -> bool:
    """Whether the set's run was written down before the crash."""
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        return bool(journal.runs())


def resumed(root: Path) -> None:
    """Resume until nothing is in progress; where nothing had begun, nothing is done."""
    results = host(root).resume()
    assert all(result.outcome is not Outcome.INTERRUPTED for result in results), ends(results)
    assert host(root).resume() == []


def test_killed_three_times_without_progress_all_go_back(root, world):
    """The set counts its own, a member's progress counts for the set."""
    with crash_at(0, only="set.members_begun"), pytest.raises(Crash):
        host(root).update_set("all")
    for _ in range(LIMIT - 1):
        with crash_at(0, only="set.resumed"), pytest.raises(Crash):
            host(root).resume()
    results = host(root).resume()
    assert results[0].outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED)
    assert "no progress in 3 attempts" in results[0].reason
    assert_as_one(root, State.ROLLED_BACK)


def test_a_cancel_while_it_is_checked_is_nobodys_failure(root, world, monkeypatch):
    """Nothing has been touched; the reason is the set's, not that of the member whose plan was being made."""

    def cancelled(self: Checking, context: Context, **how: object) -> Plan:
        with Journal(root / "state" / "journal.db") as journal:
            journal.request_cancel(journal.runs()[0])
        context.sleep(1.0)
        raise AssertionError("the check was to raise")

    monkeypatch.setattr(Checking, "plan", cancelled)
    (result,) = [each for each in host(root).update_set("all") if each.kind == "set"]
    assert (result.outcome, result.reason, result.todo) == (Outcome.REFUSED, "cancelled: requested by the user", "")


def test_an_interrupt_does_not_count_as_a_kill(root, world):
    """Stopped after some progress, then killed twice at one place: that is no third time."""

    def stopped_at(step: str) -> None:
        one = host(root)
        world.before_act = lambda verb, name: one.stop() if name == step else None
        results = one.resume() or one.update_set("all")
        assert results[0].outcome is Outcome.INTERRUPTED
        world.before_act = lambda verb, name: None

    stopped_at("copy")
    stopped_at("fetch")
    for _ in range(LIMIT - 1):
        with crash_at(0, only="set.resumed"), pytest.raises(Crash):
            host(root).resume()
    assert host(root).resume()[0].outcome is Outcome.DONE


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_program_that_is_ended_by_an_exception_is_no_loop(root, world, stop):
    """Ctrl-C in a program that embeds the library, any number of times: that counts neither for a set nor a member."""

    def ended(verb: str, name: str) -> None:
        if name == "swap":
            raise stop

    world.before_act = ended
    with pytest.raises(stop):
        host(root).update_set("all")
    for _ in range(LIMIT + 1):
        with pytest.raises(stop):
            host(root).resume()
    world.before_act = lambda verb, name: None
    assert host(root).resume()[0].outcome is Outcome.DONE


def test_progress_between_two_kills_is_no_loop(root, world):
    """Killed at the end of each member: never three times at the same place."""
    with crash_at(0, only="set.member_ended"), pytest.raises(Crash):
        host(root).update_set("all")
    for _ in range(3):
        with crash_at(2, only="step.after_do"), pytest.raises(Crash):
            host(root).resume()
    with crash_at(0, only="set.member_ended"), pytest.raises(Crash):
        host(root).resume()
    assert host(root).resume()[0].outcome is Outcome.DONE


def test_a_verb_for_one_member_goes_on_with_all(root, world):
    """`fsm update b`, `fsm resume b`, `fsm rollback b` and `fsm cancel b` never tear a set apart."""
    for verb, state in (("update", "done"), ("resume", "done"), ("rollback", "rolled_back"), ("cancel", "rolled_back")):
        for path in (root / "state").rglob("*.db*"):
            path.unlink()
        with crash_at(1, only="set.member_ended"), pytest.raises(Crash):
            host(root).update_set("all")
        status = {each.component: each.last for each in host(root).status()}
        assert status["a"] is not None
        waiting = "a: verified 1.0 -> 1.1, waiting for the rest of its set"
        assert status["a"].headline == f"{waiting}; run `fsm resume` to continue"
        result = getattr(host(root), verb)("b")
        assert (result[0] if verb == "resume" else result).outcome == state
        assert_as_one(root, State(state))


def test_a_cancel_from_elsewhere_reaches_a_set_at_work(root, world: World):
    """The process that drives it sees the request at its next safe point."""
    reached, go_on = threading.Event(), threading.Event()

    def wait(verb: str, name: str) -> None:
        if (verb, name) == ("do", "swap") and not reached.is_set():
            reached.set()
            assert go_on.wait(10)

    world.before_act = wait
    results: list[UpdateResult] = []
    driving = threading.Thread(target=lambda: results.extend(host(root).update_set("all")))
    driving.start()
    assert reached.wait(10)
    assert host(root).update("a").outcome is Outcome.BUSY
    cancelled: list[UpdateResult] = []
    cancelling = threading.Thread(target=lambda: cancelled.append(host(root).cancel("@all")))
    cancelling.start()
    with Journal(root / "state" / "journal.db", readonly=True) as journal:
        while not all(run.cancel for run in journal.runs(in_progress=True)):
            pass
    go_on.set()
    driving.join(10)
    cancelling.join(10)
    assert results[0].outcome is Outcome.ROLLED_BACK
    assert cancelled[0].outcome is Outcome.ROLLED_BACK
    assert_as_one(root, State.ROLLED_BACK)


def test_a_set_that_is_interrupted_goes_on(root, world: World):
    """SIGTERM: every member stops at its next safe point, and a resume ends all."""
    updated = host(root)
    world.before_act = lambda verb, name: updated.stop() if name == "swap" else None
    assert updated.update_set("all")[0].outcome is Outcome.INTERRUPTED
    world.before_act = lambda verb, name: None
    results = host(root).update_set("all")
    assert ends(results)[0] == ("@all", "done")


def test_a_rollback_that_fails_needs_a_person_and_the_others_go_back(root, world: World):
    """The set says who; `fsm rollback` takes that member up again."""
    world.acts["do:verify"] = ["ok", "fail"]
    world.acts["undo:swap"] = ["ok", "fail_host", "fail_host", "fail_host"]
    results = {result.component: result for result in host(root).update_set("all")}
    assert results["@all"].outcome is Outcome.FAILED
    assert "then a could not be rolled back" in results["@all"].reason
    assert results["b"].outcome is Outcome.ROLLED_BACK
    assert results["a"].outcome is Outcome.FAILED
    assert host(root).rollback("a").outcome is Outcome.ROLLED_BACK
    assert host(root).resume() == []


@pytest.mark.processes
def test_the_locks_of_all_are_held(root, world):
    """Who works on a member keeps the set away, and is named."""
    with locked_elsewhere(root / "state", "b") as pid:
        (result,) = host(root).update_set("all")
    assert result.outcome is Outcome.BUSY
    assert f"another updater is working on it: process {pid} (" in result.reason
    assert host(root).resume() == []


def test_an_interrupted_run_of_its_own_comes_first(root, world):
    """A member is never in two runs."""
    with crash_at(3, only="step.before_do"), pytest.raises(Crash):
        host(root).update("a")
    results = host(root).update_set("all")
    assert results[0].outcome is Outcome.REFUSED
    assert "a: cannot update a with its set: it has an interrupted run of its own" in results[0].reason
    assert host(root).resume()[0].outcome is Outcome.DONE


def test_components_named_at_the_call_are_a_set(root, world):
    """`--atomic`: without a table in the configuration; several at the same time where none needs the other.

    A program that hands on a 1 for `force` is no damage to the journal.
    """
    together = updater(root, "a", "b", "c")
    results = together.update_set(["a", "b"], jobs=2, force=1)  # type: ignore[arg-type]  # as untyped programs do
    assert ends(results) == [("@a+b", "done"), ("a", "done"), ("b", "done")]
    with pytest.raises(UsageError, match="two members"):
        updater(root, "a", "b").update_set(["a", "a"])
    with pytest.raises(UsageError, match="no component 'x'"):
        updater(root, "a", "b").update_set(["a", "x"])
    with pytest.raises(UsageError, match="no set 'al'"):
        host(root).update_set("al")
    with pytest.raises(UsageError, match="no set 'all'"):
        updater(root, "a", "b").update_set("all")


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ({"x": ["a"]}, "at least two different members"),
        ({"x": ["a", "a"]}, "at least two different members"),
        ({"x": ["a", "nobody"]}, "names 'nobody', which is not configured"),
        ({"X y": ["a", "b"]}, "is not a valid name for a set"),
        ({"x": "a"}, "sets.x"),
        ([], "sets"),
    ],
)
def test_wrong_sets_are_said(root, sets, says):
    """One line with the key."""
    whole = data(root, "a", "b")
    whole["sets"] = sets
    with pytest.raises(ConfigError) as caught:
        Updater.from_data(whole, registry=REGISTRY)
    assert says in str(caught.value)


async def _update(root: Path) -> list[UpdateResult]:
    whole = data(root, "a", "b")
    return await AsyncUpdater.from_data(whole, registry=REGISTRY).update_set(["a", "b"])


def test_asynchronously(root, world):
    """The same verb."""
    import asyncio

    publish(root, "1.2")
    assert ends(asyncio.run(_update(root)))[0] == ("@a+b", "done")
