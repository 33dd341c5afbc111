"""`Updater.resume` at boot: what is down comes first, the boot goes on as soon as it can, time runs out."""

from __future__ import annotations

import threading
import time

import pytest

from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.engine.progress import log
from fsm.engine.report import Outcome
from fsm.errors import Busy, FsmError, JournalError, UsageError
from fsm.host import resuming
from fsm.host.context import Host
from fsm.system import boot_hold
from tests.library.hosts import updater
from tests.world import WORLD, Crash, crash_at

DOWN = 5
"""The step that changes what is stopped, counted from 1."""


def interrupted(root, name: str, step: int) -> None:
    """A run that was killed before that step."""
    with crash_at(step - 1, only="step.before_do"), pytest.raises(Crash):
        updater(root, "a", "b").update(name)


def held(root, world, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Resume everything in a boot that is held back; returns what was done meanwhile."""
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    seen: list[tuple[str, str]] = []
    world.before_act = lambda verb, name: seen.append((verb, name)) if boot_hold.holding() else None
    results = updater(root, "a", "b").resume()
    assert [result.component for result in results] == ["a", "b"]
    assert {result.outcome for result in results} <= {Outcome.DONE, Outcome.ROLLED_BACK}
    assert not boot_hold.holding()
    return seen


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, -1.0])
def test_a_time_that_nobody_can_wait_is_refused(root, world, seconds):
    """Else the run would go on as if no time had been given."""
    interrupted(root, "a", 2)
    with pytest.raises(UsageError, match="not a number of seconds"):
        updater(root, "a", "b").resume(within=seconds)


def test_the_boot_waits_for_nothing_but_what_is_down(root, world, monkeypatch: pytest.MonkeyPatch):
    """A run before its stop goes on beside it, and so does one whose service is up again."""
    interrupted(root, "a", 2)
    interrupted(root, "b", DOWN + 2)
    assert held(root, world, monkeypatch) == []


def test_the_boot_waits_until_every_tree_is_whole(root, world, monkeypatch: pytest.MonkeyPatch):
    """Of several runs all come to their start, before the first one starts."""
    interrupted(root, "a", DOWN)
    interrupted(root, "b", DOWN)
    assert held(root, world, monkeypatch) == [("do", "swap"), ("do", "swap")]


def test_the_boot_waits_for_trees_that_nobody_named(root, world, monkeypatch: pytest.MonkeyPatch):
    """`fsm resume a` during the boot: what lets the boot go on lets it start the half tree of b as well."""
    interrupted(root, "a", DOWN)
    interrupted(root, "b", DOWN)
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    seen: list[tuple[str, str]] = []
    world.before_act = lambda verb, name: seen.append((verb, name)) if boot_hold.holding() else None
    host = updater(root, "a", "b")
    assert [(result.component, result.outcome) for result in host.resume("a")] == [("a", Outcome.DONE)]
    assert seen == [("do", "swap"), ("do", "swap")]
    assert [(result.component, result.outcome) for result in host.resume("b")] == [("b", Outcome.DONE)]


def test_the_boot_waits_for_a_rollback_too(root, world, monkeypatch: pytest.MonkeyPatch):
    """Until it would start the old version."""
    for name in ("a", "b"):
        world.acts["do:verify"] = ["fail"]
        world.before_act = crash_in_undo
        with pytest.raises(Crash):
            updater(root, "a", "b").update(name)
    assert held(root, world, monkeypatch) == [("undo", "swap"), ("undo", "swap")]


def test_the_boot_waits_for_another_updater_too(root, world, monkeypatch: pytest.MonkeyPatch):
    """Whoever works on it: nothing starts on half a tree."""
    interrupted(root, "a", DOWN)
    interrupted(root, "b", 2)
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    monkeypatch.setattr(resuming, "PAUSE", 0.05)
    seen: list[tuple[str, str, bool]] = []
    world.before_act = lambda verb, name: seen.append((verb, name, boot_hold.holding()))
    tries: list[str] = []

    def busy(self: ComponentLock) -> ComponentLock:
        tries.append(self.path.stem)
        if len(tries) <= 3:
            raise Busy("cannot work on a now", "another updater is working on it")
        return enter(self)

    enter = ComponentLock.__enter__
    monkeypatch.setattr(ComponentLock, "__enter__", busy)
    told: list[str] = []
    host = updater(root, "a", "b")
    host.observe(lambda event: told.append(event.message) if event.kind == "retry" else None)
    results = host.resume()
    assert told == ["the boot waits until its tree is whole: another updater is working on it"]
    assert tries[:4] == ["a"] * 4
    assert [result.outcome for result in results] == [Outcome.DONE] * 2
    assert [name for verb, name, held in seen if held] == ["swap"]
    assert not boot_hold.holding()


@pytest.mark.parametrize("why", [Busy("cannot", "busy"), JournalError("cannot", "the disk is full")])
def test_the_boot_goes_on_only_with_whole_trees(root, world, monkeypatch: pytest.MonkeyPatch, why: FsmError):
    """One that cannot be made whole, and a program that is told to end: it ends, and says nothing to systemd."""
    interrupted(root, "a", DOWN)
    interrupted(root, "b", DOWN + 2)
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    monkeypatch.setattr(resuming, "PAUSE", 60.0)
    host = updater(root, "a", "b")

    tried = threading.Event()

    def never(self: ComponentLock) -> ComponentLock:
        tried.set()
        raise why

    def stopping() -> None:
        assert tried.wait(60)
        host.stop()

    ending = threading.Thread(target=stopping)
    ending.start()
    with monkeypatch.context() as hindered:
        hindered.setattr(ComponentLock, "__enter__", never)
        results = {result.component: result for result in host.resume()}
    ending.join()
    assert boot_hold.holding()
    assert (results["b"].outcome, results["b"].run) == (Outcome.INTERRUPTED, 2)
    assert results["a"].outcome in (Outcome.BUSY, Outcome.FAILED)
    boot_hold.drop()
    assert not boot_hold.holding()
    assert {result.outcome for result in host.resume()} == {Outcome.DONE}


def test_the_boot_waits_for_one_that_is_cancelled_meanwhile(root, world, monkeypatch: pytest.MonkeyPatch):
    """A stop that takes its time, and `--within` is over: the old tree is put back before anything is started."""
    interrupted(root, "a", DOWN)
    world.acts["keep:stop"] = ["slow"]
    monkeypatch.setattr(boot_hold, "_held", "/nowhere")
    seen: list[tuple[str, str]] = []
    world.before_act = lambda verb, name: seen.append((verb, name)) if boot_hold.holding() else None
    (result,) = updater(root).resume(within=0.1)
    assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, "cancelled: it was not done within 0.1 s")
    assert seen == [("undo", "swap")]
    assert not boot_hold.holding()


def crash_in_undo(verb: str, name: str) -> None:
    """Crash while the trees are put back."""
    if (verb, name) == ("undo", "swap"):
        raise Crash(name)


def test_what_is_not_done_in_time_is_rolled_back(root, world):
    """With the reason."""
    interrupted(root, "a", DOWN)
    world.before_act = lambda verb, name: time.sleep(0.5) if (verb, name) == ("do", "swap") else None
    host = updater(root, "a", "b")
    result = host.resume(within=0.1)[0]
    assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, "cancelled: it was not done within 0.1 s")
    assert set(WORLD.cells.values()) == {"old"}


def test_what_is_done_in_time_is_done(root, world):
    """The time that was left is not waited for."""
    interrupted(root, "a", DOWN)
    began = time.monotonic()
    assert updater(root, "a", "b").resume("a", within=30)[0].outcome is Outcome.DONE
    assert time.monotonic() - began < 10


def test_a_rollback_takes_the_time_that_it_takes(root, world):
    """There is nothing that it could be given up for."""
    world.acts["do:verify"] = ["fail"]
    world.before_act = crash_in_undo
    with pytest.raises(Crash):
        updater(root, "a", "b").update("a")
    world.before_act = lambda verb, name: time.sleep(0.3) if (verb, name) == ("undo", "swap") else None
    result = updater(root, "a", "b").resume(within=0.1)[0]
    assert (result.outcome, result.reason) == (Outcome.ROLLED_BACK, "it does not work")


def test_a_journal_that_breaks_meanwhile(root, world, monkeypatch: pytest.MonkeyPatch):
    """Who only watches the clock stops nobody."""
    interrupted(root, "a", DOWN)
    host = updater(root, "a", "b")
    with Journal(root / "state" / "journal.db") as journal:
        runs = journal.runs()
    for part in (root / "state").glob("journal.db*"):
        part.unlink()
    (root / "state" / "journal.db").write_bytes(b"no journal" * 1000)
    made: Host = host._host
    said: list[str] = []
    monkeypatch.setattr(log, "exception", said.append)
    with made.within(runs, 0.01):
        time.sleep(0.5)
    assert said == ["cannot ask to cancel what took too long"]
