"""The executor over a world in memory: a service that was started behind a run's back is stopped again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fsm.engine.progress import ProgressEvent
from fsm.errors import PlanUnknown
from fsm.lifecycle import State
from fsm.model import Version
from tests.world import WORLD, Crash, crash_at

NAMES = ["save", "copy", "fetch", "stop", "swap", "start", "verify", "tidy"]


def crash_in(verb: str, name: str) -> Callable[[str, str], None]:
    """Crash before a step's effect."""

    def before(doing: str, step: str) -> None:
        if (doing, step) == (verb, name):
            raise Crash(name)

    return before


def crash(rig, world, verb: str, name: str) -> None:
    """Start a run that crashes there, and let everything after it go well."""
    world.before_act = crash_in(verb, name)
    with pytest.raises(Crash):
        rig.start()
    world.before_act = lambda verb, name: None


@pytest.mark.parametrize("name", NAMES)
def test_a_resume_stops_what_was_stopped_again(rig, world, name):
    """Only where the interrupted step needs it: stop and start see to it themselves, outside of them it is up."""
    crash(rig, world, "do", name)
    with rig.journal() as journal:
        active = journal.active("c")
        assert rig.executor(journal).is_down(active) == (name in ("stop", "swap", "start"))
    assert rig.resume().state is State.DONE
    assert WORLD.kept == (["stop"] if name == "swap" else [])


@pytest.mark.parametrize("name", ["verify", "start", "swap", "stop", "fetch"])
def test_a_rollback_stops_it_again_too(rig, world, name):
    """The trees are exchanged back only while nothing runs on them."""
    world.acts["do:verify"] = ["fail"]
    crash(rig, world, "undo", name)
    assert rig.resume().state is State.ROLLED_BACK
    assert WORLD.kept == (["stop"] if name == "swap" else [])
    assert set(world.cells.values()) == {"old"}


def test_a_cancel_stops_it_again_too(rig, world):
    """Whoever takes the run up."""
    crash(rig, world, "do", "swap")
    assert rig.rollback().state is State.ROLLED_BACK
    assert WORLD.kept == ["stop"]


def test_a_service_that_does_not_stop_again_rolls_back(rig, world):
    """Nothing is exchanged under a service that runs; the rollback waits for it as well."""
    crash(rig, world, "do", "swap")
    world.acts["keep:stop"] = ["fail_host", "fail_host"]
    run = rig.resume()
    assert (run.state, run.reason) == (State.ROLLED_BACK, "the host is ill")
    assert WORLD.kept == ["stop"] * 3
    assert "do:swap" not in world.calls[world.calls.index("do:swap") + 1 :]


def test_a_service_that_never_stops_again_needs_a_person(rig, world):
    """After three tries."""
    world.acts["do:verify"] = ["fail"]
    crash(rig, world, "undo", "swap")
    world.acts["keep:stop"] = ["fail_host"] * 9
    run = rig.resume()
    assert run.state is State.FAILED
    assert "then the rollback failed: the host is ill" in run.reason
    world.acts["keep:stop"] = []
    assert rig.retry().state is State.ROLLED_BACK


def test_a_crash_while_it_is_stopped_again(rig, world):
    """The next resume stops it again."""
    crash(rig, world, "do", "swap")
    with crash_at(0, "resume.kept_down"), pytest.raises(Crash):
        rig.resume()
    assert rig.resume().state is State.DONE
    assert WORLD.kept == ["stop", "stop"]


def test_a_plan_of_another_version_does_not_tell(rig, world):
    """Whether it is down is in its plan."""
    crash(rig, world, "do", "swap")
    with rig.journal() as journal:
        journal.database.execute("UPDATE plan SET text=replace(text, '\"swap\"', '\"teleport\"')")
        with pytest.raises(PlanUnknown):
            rig.executor(journal).is_down(journal.active("c"))


def asked_to_cancel(rig, why: str = "requested by the user") -> None:
    """As another process does it, while the run is taken up."""
    with rig.journal() as other:
        run = other.active("c")
        assert run is not None
        other.request_cancel(run, why)


@pytest.mark.parametrize("why", ["requested by the user", "it was not done within 600 s"])
def test_a_cancel_while_it_is_stopped_again_rolls_back(rig, world, why):
    """A stop takes its time: the run goes back there and then, and what became of it is its result."""
    crash(rig, world, "do", "swap")
    world.acts["keep:stop"] = ["slow"]
    rig.time.on_wait = lambda: asked_to_cancel(rig, why)
    heard: list[ProgressEvent] = []
    rig.observers = [heard.append]
    run = rig.resume()
    assert (run.state, run.reason) == (State.ROLLED_BACK, f"cancelled: {why}")
    assert set(world.cells.values()) == {"old"}
    assert WORLD.kept == ["stop", "stop"], "the rollback needs it down as well"
    assert "failed" not in {event.kind.value for event in heard}
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_a_cancel_while_its_stop_is_waited_for_rolls_back(rig, world):
    """Also between two tries."""
    crash(rig, world, "do", "swap")
    world.acts["keep:stop"] = ["retry"]
    rig.time.on_wait = lambda: asked_to_cancel(rig)
    run = rig.resume()
    assert (run.state, run.reason) == (State.ROLLED_BACK, "cancelled: requested by the user")


@pytest.mark.parametrize("act", ["fail", "step_failed", "raise"])
def test_a_service_that_does_not_stop_again_is_no_releases_fault(rig, world, act):
    """Whatever started it, and whatever a step says: the release has not even been tried."""
    crash(rig, world, "do", "swap")
    world.acts["keep:stop"] = [act]
    assert rig.resume().state is State.ROLLED_BACK
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None
        assert rig.executor(journal).needs_down(journal.latest("c")) is False


@pytest.mark.parametrize("name", NAMES)
def test_what_must_not_run_now_is_told(rig, world, name):
    """Only between stop and start; at either of these the tree is whole."""
    crash(rig, world, "do", name)
    with rig.journal() as journal:
        assert rig.executor(journal).needs_down(journal.active("c")) == (name == "swap")
