"""`Updater.resume` at boot: what is down comes first, the boot goes on as soon as it can, time runs out."""

from __future__ import annotations

import time

import pytest

from fsm import boot
from fsm.host import Host
from fsm.journal import Journal
from fsm.progress import log
from fsm.report import Outcome
from tests.library.hosts import updater
from tests.world import WORLD, Crash, crash_at

DOWN = 5
"""The step that changes what is stopped, counted from 1."""


def interrupted(root, name: str, step: int) -> None:
    """A run that was killed before that step."""
    with crash_at(step - 1, only="step.before_do"), pytest.raises(Crash):
        updater(root, "a", "b").update(name)


def test_what_is_down_comes_first(root, world):
    """The results are in the order of the names all the same."""
    interrupted(root, "a", 2)
    interrupted(root, "b", DOWN)
    order: list[str] = []
    host = updater(root, "a", "b")
    host.observe(lambda event: order.append(event.component))
    assert [result.component for result in host.resume()] == ["a", "b"]
    assert list(dict.fromkeys(order)) == ["b", "a"]


@pytest.mark.parametrize(("step", "held"), [(2, False), (DOWN, True)])
def test_the_boot_waits_for_what_is_down(root, world, monkeypatch: pytest.MonkeyPatch, step: int, held: bool):
    """And for nothing else."""
    interrupted(root, "a", step)
    monkeypatch.setattr(boot, "_held", "/nowhere")
    seen: list[bool] = []
    world.before_act = lambda verb, name: seen.append(boot.holding())
    assert updater(root, "a", "b").resume()[0].outcome is Outcome.DONE
    assert set(seen) == {held}


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

    def crash(verb: str, name: str) -> None:
        if (verb, name) == ("undo", "swap"):
            raise Crash(name)

    world.before_act = crash
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
