"""The executor over a world in memory: interrupts, cancels, what it tells, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.cli.codes import Code, of_error
from fsm.engine.executor import loop
from fsm.engine.journal import Kind, Run
from fsm.engine.plan import Plan
from fsm.engine.progress import ProgressEvent
from fsm.engine.report import Outcome, run_report
from fsm.errors import Busy, JournalError, PlanUnknown, StillRunning
from fsm.lifecycle import State
from fsm.model import Version
from tests.world import STEPS, WORLD, Crash, crash_at

NAMES = ["save", "copy", "fetch", "stop", "swap", "start", "verify", "tidy"]


def test_an_interrupt_before_the_downtime_stops_at_once_and_counts_as_no_crash(rig, world):
    """SIGTERM between two steps: the run stays resumable with its attempts."""
    world.before_act = lambda verb, name: rig.control.stop() if name == "copy" else None
    run = rig.start()
    assert run.state is State.BACKING_UP
    assert run.attempt == 0
    rig.control = type(rig.control)()
    world.before_act = lambda verb, name: None
    run = rig.resume()
    assert run.state is State.DONE


def test_an_interrupt_in_checking_leaves_the_run_resumable(rig, world):
    """SIGTERM while the source is asked."""

    def stopped(run: Run, context: Any) -> Plan:
        rig.control.stop()
        context.check()
        raise AssertionError("the check was to raise")

    rig.checked = stopped
    assert rig.start().state is State.CHECKING
    rig.control, rig.checked = type(rig.control)(), None
    assert rig.resume().state is State.DONE


def test_an_interrupt_in_the_downtime_waits_until_the_service_is_up(rig, world):
    """The first request to stop does not leave a host without its service."""
    world.before_act = lambda verb, name: rig.control.stop() if name == "swap" and verb == "do" else None
    run = rig.start()
    assert world.cells["start"] == "new"
    assert (run.state, run.position) == (State.VERIFYING, NAMES.index("verify"))


def test_a_second_interrupt_stops_at_once(rig, world):
    """A person who insists is obeyed."""

    def twice(verb: str, name: str) -> None:
        if name == "swap":
            rig.control.stop()
            rig.control.stop()

    world.before_act = twice
    run = rig.start()
    assert run.position == NAMES.index("swap")
    assert "swap" not in world.cells


def test_an_interrupt_while_waiting_for_a_retry_is_heard(rig, world):
    """Waiting is a safe point."""
    world.acts["do:fetch"] = ["retry"] * 3
    rig.time.on_wait = rig.control.stop
    run = rig.start()
    assert run.in_progress
    assert run.position == NAMES.index("fetch")


def test_a_retry_in_the_downtime_goes_on_after_a_request_to_stop(rig, world):
    """While the service is down, waiting is not cut short."""
    world.acts["do:swap"] = ["retry"] * 2
    asked: list[int] = []

    def once() -> None:
        if not asked:
            asked.append(1)
            rig.control.stop()

    rig.time.on_wait = once
    run = rig.start()
    assert world.cells["swap"] == "new"
    assert run.position == NAMES.index("verify")


def test_a_cancel_from_another_process_rolls_back(rig, world):
    """The executor sees the request at its next check."""

    def cancel(verb: str, name: str) -> None:
        if (verb, name) == ("do", "swap"):
            with rig.journal() as other:
                run = other.active("c")
                assert run
                other.request_cancel(run)
            rig.time.now += 1.0

    world.before_act = cancel
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert "cancelled" in run.reason
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_a_cancel_without_a_driver_rolls_back_here(rig, world):
    """After a crash, `fsm cancel` does the rollback itself."""
    with crash_at(4, only="world.after_effect"), pytest.raises(Crash):
        rig.start()
    run = rig.rollback()
    assert run.state is State.ROLLED_BACK
    assert set(world.cells.values()) == {"old"}


def test_a_cancel_while_rolling_back_goes_on_with_that(rig, world):
    """There is nothing to cancel any more."""
    world.acts["do:verify"] = ["fail"]
    with crash_at(1, only="step.before_undo"), pytest.raises(Crash):
        rig.start()
    assert rig.rollback().state is State.ROLLED_BACK


def test_a_second_run_is_refused_while_one_is_in_progress(rig, world):
    """One run for each component."""
    with crash_at(2, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    with pytest.raises(Busy):
        rig.start()


@pytest.mark.processes
def test_a_child_is_journaled_with_its_identity(rig, world):
    """So that a resume finds and ends it."""
    world.acts["do:copy"] = ["child"]
    rig.time.now = 0.0
    run = rig.start()
    assert run.state is State.DONE
    with rig.journal() as journal:
        rows = [row for row in journal.log(run.id) if row.kind is Kind.CHILD]
    assert rows[0].data["argv0"].endswith("sleep")
    assert rows[0].data["identity"]["pid"] > 1


def test_a_run_without_steps_is_done(rig, world):
    """An empty plan is legal, if pointless."""
    rig.names = ()
    assert rig.start().state is State.DONE


def test_an_empty_run_that_is_rolled_back_has_nothing_to_undo(rig, world):
    """Cancelling before the plan was made ends in idle."""

    def die(run: Run, context: object) -> Plan:
        raise Crash

    rig.checked = die
    with pytest.raises(Crash):
        rig.start()
    assert rig.rollback().state is State.IDLE


def test_an_observer_that_fails_changes_nothing(rig, world):
    """Reporting never drives state."""
    heard: list[ProgressEvent] = []

    def broken(event: ProgressEvent) -> None:
        heard.append(event)
        raise ValueError("the terminal is gone")

    rig.observers = [broken]
    assert rig.start().state is State.DONE
    assert {event.kind.value for event in heard} == {"state", "step", "step_done", "progress", "note"}


def test_an_unknown_step_is_said_by_name(rig, world):
    """A newer version's plan is not guessed at."""
    with crash_at(2, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    with rig.journal() as journal:
        journal.database.execute("UPDATE plan SET text=replace(text, '\"swap\"', '\"teleport\"')")
    with pytest.raises(PlanUnknown, match="teleport"):
        rig.resume()
    with rig.journal() as journal:
        journal.database.execute("UPDATE plan SET text=replace(text, '\"schema_version\":1', '\"schema_version\":9')")
    with pytest.raises(PlanUnknown, match="schema 9"):
        rig.resume()


def test_no_service_is_stopped_for_a_plan_that_cannot_be_finished(rig, world):
    """A resume reads the step at which it is; the others before anything is touched."""
    with crash_at(1, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    with rig.journal() as journal:
        journal.database.execute("UPDATE plan SET text=replace(text, '\"verify\"', '\"teleport\"')")
    with pytest.raises(PlanUnknown, match="teleport"):
        rig.resume()
    assert world.calls[-1] == "do:fetch"
    with rig.journal() as journal:
        assert [step.name for step in STEPS][journal.active("c").position] == "fetch"


def test_an_unknown_state_is_said_by_name(rig, world):
    """A newer version's state is not guessed at."""
    with crash_at(2, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    with rig.journal() as journal:
        journal.database.execute("UPDATE run SET state='meditating'")
    with rig.journal() as journal, pytest.raises(JournalError, match="meditating"):
        journal.active("c")


def test_the_downtime_is_measured_from_the_journal(rig, world):
    """From the stop's start to the start's end; in a rollback to the end of the stop's undo."""
    run = rig.start()
    with rig.journal() as journal:
        report = run_report(journal, run)
    assert report.downtime is not None
    assert report.touched
    world.acts["do:verify"] = ["fail"]
    run = rig.start()
    with rig.journal() as journal:
        again = run_report(journal, run)
    assert again.outcome is Outcome.ROLLED_BACK
    assert again.downtime is not None
    assert again.downtime > report.downtime


def test_a_rollback_that_touched_nothing_is_a_refusal(rig, world):
    """People care whether their service was affected."""
    world.acts["do:fetch"] = ["fail"]
    run = rig.start()
    with rig.journal() as journal:
        assert run_report(journal, run).outcome is Outcome.REFUSED


def test_nothing_is_done_that_is_not_written(rig, world):
    """Write before act: when an effect happens, its step's start is already durable."""

    def written(verb: str, name: str) -> None:
        with rig.journal() as other:
            run = other.active("c")
            assert run is not None
            rows = [row for row in other.log(run.id) if row.step is not None]
        wanted = Kind.STEP_STARTED if verb == "do" else Kind.UNDO_STARTED
        known = [row for row in rows if row.kind is wanted and row.step == NAMES.index(name)]
        first_undo = verb == "undo" and name == "tidy"
        assert known or first_undo

    world.acts["do:tidy"] = ["fail"]
    world.before_act = written
    assert rig.start().state is State.ROLLED_BACK
    assert WORLD is world


def test_a_cancel_while_checking_says_that_nothing_was_touched(rig, world):
    """There is no old version to put back: it has been running all the time."""

    def cancelled(run: Run, context: Any) -> Plan:
        with rig.journal() as other:
            other.request_cancel(run)
        context.sleep(1.0)
        raise AssertionError("the check was to raise")

    rig.checked = cancelled
    run = rig.start()
    assert (run.state, run.reason, run.todo) == (State.IDLE, "cancelled: requested by the user", "")


@pytest.mark.processes
def test_what_is_left_of_a_crash_and_cannot_be_ended_needs_a_person(rig, world, monkeypatch):
    """The run stays where it is, however often that is tried: nobody counts that as a crash, or calls it a refusal."""
    with crash_at(2, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    world.acts["do:fetch"] = ["child"]

    def hangs(*args: object, **kwargs: object) -> list[str]:
        raise StillRunning("cannot stop what the interrupted run left running", "still there after KILL: git (pid 7)")

    monkeypatch.setattr(loop, "end_orphans", hangs)
    for verb in (rig.resume, rig.rollback) * 3:
        with pytest.raises(StillRunning) as caught:
            verb()
        assert of_error(caught.value) is Code.FAILED
    monkeypatch.undo()
    assert rig.resume().state is State.DONE


def test_a_cancel_does_not_look_like_a_failure(rig, world):
    """Who looks on is told what it is, once; the rollback of a step that has nothing to undo is not announced."""
    heard: list[ProgressEvent] = []
    rig.observers = [heard.append]

    def cancel(verb: str, name: str) -> None:
        if (verb, name) == ("do", "swap"):
            with rig.journal() as other:
                other.request_cancel(other.active("c"))
            rig.time.now += 1.0

    world.before_act = cancel
    assert rig.start().state is State.ROLLED_BACK
    told = [(event.kind.value, event.message) for event in heard if event.kind in ("failed", "cancelled")]
    assert told == [("cancelled", "cancelled: requested by the user")]


def test_an_undo_that_does_nothing_is_not_told(rig, world, monkeypatch):
    """Neither its begin nor its end."""
    monkeypatch.setattr(STEPS[NAMES.index("fetch")], "undo_title", "", raising=True)
    world.acts["do:stop"] = ["fail"]
    heard: list[ProgressEvent] = []
    rig.observers = [heard.append]
    assert rig.start().state is State.ROLLED_BACK
    undone = {kind: [event.step for event in heard if event.kind.value == kind] for kind in ("undo", "undo_done")}
    assert undone["undo"] == undone["undo_done"] == ["stop", "copy", "save"]
    assert all(event.message for event in heard if event.kind.value == "undo_done")
    assert [event.message for event in heard if event.kind.value == "note" and event.step == "fetch"][-1:] == [
        "undo fetch"
    ]
