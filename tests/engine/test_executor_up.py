"""The executor over a world in memory: a service that a boot has ended is started again."""

from __future__ import annotations

import pytest

from fsm.adapter import Done, Failed
from fsm.engine import performing
from fsm.engine.journal import SET
from fsm.engine.progress import ProgressEvent
from fsm.errors import Interrupted, StepFailed, Unsupported
from fsm.lifecycle import State
from fsm.model import Version
from tests.engine.test_executor_down import NAMES, asked_to_cancel, crash
from tests.world import WORLD, Cell, Crash, crash_at


@pytest.mark.parametrize("name", NAMES)
def test_a_resume_starts_what_is_to_run(rig, world, name):
    """The old version before the stop, the new one behind the start, nothing in between."""
    crash(rig, world, "do", name)
    assert rig.resume().state is State.DONE
    before, behind = name in ("save", "copy", "fetch"), name in ("verify", "tidy")
    assert WORLD.started == (["stop"] if before else ["start"] if behind else [])


@pytest.mark.parametrize("name", ["tidy", "start", "swap", "stop", "fetch", "save"])
def test_so_does_one_that_goes_back(rig, world, name):
    """Behind the undo of the stop the old version is to run."""
    world.acts["do:tidy"] = ["fail"]
    crash(rig, world, "undo", name)
    assert rig.resume().state is State.ROLLED_BACK
    assert WORLD.started == (["stop"] if name in ("fetch", "save") else [])


def test_a_cancel_of_a_run_that_was_cut_short(rig, world):
    """Nobody else starts the old version, which was never stopped."""
    crash(rig, world, "do", "fetch")
    assert rig.rollback().state is State.ROLLED_BACK
    assert WORLD.started == ["stop"]


def test_an_old_version_that_does_not_start_is_told_of(rig, world):
    """The update goes on: it may be what mends it."""
    crash(rig, world, "do", "fetch")
    world.acts["up:stop"] = ["fail_host"]
    heard: list[ProgressEvent] = []
    rig.observers = [heard.append]
    assert rig.resume().state is State.DONE
    assert "the old version does not start: the host is ill" in [event.message for event in heard]


def test_a_new_version_that_does_not_start_goes_back(rig, world):
    """Nothing is blamed on it: it is the host that was booted."""
    crash(rig, world, "do", "verify")
    world.acts["up:start"] = ["fail"]
    run = rig.resume()
    assert run.state is State.ROLLED_BACK
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_an_old_version_that_does_not_start_on_the_way_back_is_tried_again(rig, world):
    """Three times, then a person is needed; the next boot, or that person, goes on."""
    world.acts["do:verify"] = ["fail"]
    crash(rig, world, "undo", "save")
    world.acts["up:stop"] = ["fail_host"]
    assert rig.resume().state is State.ROLLED_BACK
    assert WORLD.started == ["stop", "stop"]


def test_one_that_never_starts_needs_a_person(rig, world):
    """It is not said that the old version runs."""
    world.acts["do:verify"] = ["fail"]
    crash(rig, world, "undo", "save")
    world.acts["up:stop"] = ["fail_host"] * 9
    run = rig.resume()
    assert run.state is State.FAILED
    assert "the host is ill" in run.reason
    world.acts["up:stop"] = []
    assert rig.retry().state is State.ROLLED_BACK


def test_a_cancel_while_it_is_started_again(rig, world):
    """It goes back there and then."""
    crash(rig, world, "do", "verify")
    world.acts["up:start"] = ["slow"]
    rig.time.on_wait = lambda: asked_to_cancel(rig)
    run = rig.resume()
    assert (run.state, run.reason) == (State.ROLLED_BACK, "cancelled: requested by the user")


def test_a_crash_while_it_is_started_again(rig, world):
    """The next resume starts it again."""
    crash(rig, world, "do", "verify")
    with crash_at(0, "resume.kept_up"), pytest.raises(Crash):
        rig.resume()
    assert rig.resume().state is State.DONE
    assert WORLD.started == ["start", "start"]


def test_a_member_of_a_set(rig, world):
    """One that waits for the others is seen to run, else the set may not end; one that went back runs as well."""
    with rig.journal() as journal:
        whole = journal.begin("all", SET, kind=SET)
        own = journal.begin("c", "cells", from_version="1", part_of=whole.id)
        run = rig.executor(journal).drive(own, rig.plan)
    assert run.state is State.VERIFIED
    with rig.journal() as journal:
        assert rig.executor(journal).resume(run, rig.plan).state is State.VERIFIED
        assert rig.executor(journal).resume(run, rig.plan, until_start=True).state is State.VERIFIED
    assert WORLD.started == ["start"]
    rig.control.stop()
    with rig.journal() as journal, pytest.raises(Interrupted):
        rig.executor(journal).resume(run, rig.plan)
    rig.control = type(rig.control)()
    with rig.journal() as journal:
        found = journal.run(run.id)
        assert found is not None
        back = rig.executor(journal).rollback(found, "another one failed")
        assert back.state is State.ROLLED_BACK
        WORLD.started.clear()
        executor = rig.executor(journal)
        assert executor.keep_up(back) == ""
        world.acts["up:stop"] = ["fail_host"]
        assert executor.keep_up(back) == "the host is ill"
        assert executor.keep_up(whole) == ""
    assert WORLD.started == ["stop", "stop"]


@pytest.mark.parametrize("error", [StepFailed("cannot ask it", "it said 500"), Unsupported("cannot ask it", "gone")])
def test_what_cannot_be_asked_where_it_writes_is_no_fault_of_the_release(rig, world, monkeypatch, error):
    """An engine's trouble is the host's: the step itself has done what it should."""

    def durable(step: Cell, ctx: object) -> tuple[object, ...]:
        if world.calls == ["do:save", "do:copy", "do:fetch"]:
            raise error
        return ()

    monkeypatch.setattr(Cell, "durable", durable)
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert "cannot ask it" in run.reason
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_what_was_written_is_synced_before_its_end_is(tmp_path, monkeypatch):
    """Each file system once; of what is not there, that of what it would lie in; of what has failed, none."""
    synced: list[object] = []
    monkeypatch.setattr("fsm.system.files.atomic.sync_filesystem", synced.append)

    class Writes:
        result: object = Done()

        def do(self, ctx: object) -> object:
            assert synced == []
            return self.result

        def durable(self, ctx: object) -> tuple[object, ...]:
            return (tmp_path, tmp_path / "not" / "there", tmp_path.parent)

    step = Writes()
    assert performing.perform(step, "do", None) == Done()  # type: ignore[arg-type]  # as much of a step as it needs
    assert synced == [tmp_path]
    synced.clear()
    step.result = Failed(why="no")
    performing.perform(step, "do", None)  # type: ignore[arg-type]  # as above
    assert synced == []
