"""The executor over a world in memory: every way a run can go, and every crash on that way."""

from __future__ import annotations

import pytest

from fsm.engine.journal import Kind, Run
from fsm.engine.plan import Plan
from fsm.engine.report import Outcome, run_report
from fsm.errors import Refused, Transient, UpToDate
from fsm.lifecycle import LIMIT, State
from fsm.model import Version
from tests.world import Crash, Rig, crash_at, fresh

NAMES = ["save", "copy", "fetch", "stop", "swap", "start", "verify", "tidy"]


def kinds(rig: Rig, run: Run) -> list[str]:
    """The kinds of a run's rows."""
    with rig.journal() as journal:
        return [row.kind.value for row in journal.log(run.id)]


def states(rig: Rig, run: Run) -> list[str]:
    """The states that a run went through."""
    with rig.journal() as journal:
        return [row.data["to"] for row in journal.log(run.id) if row.kind is Kind.STATE]


def test_a_run_does_every_step_in_order_and_ends_done(rig, world):
    """The straight way through the table."""
    run = rig.start()
    assert run.state is State.DONE
    assert world.calls == [f"do:{name}" for name in NAMES]
    assert states(rig, run) == ["backing_up", "updating", "verifying", "done"]
    assert run.ended_at is not None
    assert run.to_version == "2"


@pytest.mark.parametrize("failing", NAMES)
@pytest.mark.parametrize("act", ["fail", "fail_host", "raise", "os_error", "step_failed"])
def test_a_failing_step_undoes_every_started_one_last_first(rig, world, failing, act):
    """Whatever a step throws or returns, the old version is put back."""
    world.acts[f"do:{failing}"] = [act]
    run = rig.start()
    started = NAMES[: NAMES.index(failing) + 1]
    assert run.state is State.ROLLED_BACK
    assert world.calls[len(started) :] == [f"undo:{name}" for name in reversed(started)]
    assert set(world.cells.values()) <= {"old"}
    assert run.reason


def test_the_version_that_failed_is_remembered_and_forgotten_when_it_works(rig, world):
    """A release's failure quarantines it; a later success takes that back."""
    world.acts["do:verify"] = ["fail"]
    rig.start()
    with rig.journal() as journal:
        assert journal.policy.blocks("c", Version("2"))
    assert rig.start().state is State.DONE
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_a_fault_of_the_host_is_not_held_against_the_release(rig, world):
    """A full disk is no reason to avoid a version."""
    world.acts["do:fetch"] = ["os_error"]
    assert "No space left" in rig.start().reason
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


@pytest.mark.parametrize("act", ["retry", "transient"])
def test_what_is_not_possible_yet_is_tried_again(rig, world, act):
    """Network troubles are waited for."""
    world.acts["do:fetch"] = [act] * 5
    run = rig.start()
    assert run.state is State.DONE
    assert kinds(rig, run).count("step_retried") == 5


def test_retries_end_with_the_deadline(rig, world):
    """A network that stays away ends in a rollback, and is the host's fault."""
    world.acts["do:fetch"] = ["retry"] * 1000
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert "gave up after 60 s" in run.reason
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2")) is None


def test_a_deadline_that_passes_while_waiting_is_a_failure(rig, world):
    """A clock that runs faster than the waiting."""
    world.acts["do:fetch"] = ["retry"] * 3

    def jump() -> None:
        rig.time.now += 1000

    rig.time.on_wait = jump
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert "deadline" in run.reason


def test_a_state_has_a_deadline_of_its_own(rig, world):
    """Steps that are each in time can still take too long together."""
    rig.deadlines = {State.UPDATING: 0.0}
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert "deadline" in run.reason


def points(rig: Rig) -> int:
    """How many fault points a drive over a world passes."""
    rig.journal().close()  # the first opening migrates, which passes points of its own
    with crash_at(10**9) as seen:
        rig.start("count")
    fresh()
    return len(seen)


@pytest.mark.parametrize("failing", [None, "stop", "verify"])
def test_a_crash_anywhere_is_resumed_to_a_whole_end(rig, world, failing):
    """For every fault point of the way, also inside the rollback: one crash there, one resume, a whole world."""
    if failing:
        world.acts[f"do:{failing}"] = ["fail"]
    total = points(rig)
    for number in range(total):
        fresh()
        if failing:
            world.acts[f"do:{failing}"] = ["fail"]
        component = f"c{number}"
        with crash_at(number) as seen, pytest.raises(Crash):
            rig.start(component)
        with rig.journal() as journal:
            active, latest = journal.active(component), journal.latest(component)
        if latest is None:
            assert seen[-1] == "journal.before_commit", "a run that was never begun"
            continue
        run = rig.resume(component) if active else latest
        wanted = {State.DONE: {"new"}, State.ROLLED_BACK: {"old"}}
        assert run.state in wanted, (seen[-1], run)
        assert set(world.cells.values()) <= wanted[run.state], (seen[-1], world.cells)


def test_a_resume_begins_at_the_interrupted_step(rig, world):
    """Finished steps are not done again."""
    with crash_at(0, only="world.after_effect"), pytest.raises(Crash):
        rig.start()
    world.calls.clear()
    assert rig.resume().state is State.DONE
    assert world.calls[0] == "do:save"
    assert world.calls.count("do:save") == 1


def test_three_crashes_at_one_step_roll_back(rig, world):
    """No progress three times is a loop."""
    with crash_at(3, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    for _ in range(LIMIT - 1):
        with crash_at(0, only="step.before_do"), pytest.raises(Crash):
            rig.resume()
    run = rig.resume()
    assert run.state is State.ROLLED_BACK
    assert "no progress in 3 attempts at the step 'stop'" in run.reason
    with rig.journal() as journal:
        assert journal.policy.quarantined("c", Version("2"))


@pytest.mark.parametrize("verb", ["do", "undo"])
@pytest.mark.parametrize("act", ["nothing", "no_json"])
def test_a_step_that_returns_what_it_must_not_fails(rig, world, verb, act):
    """A bug of an adapter ends in a result that says so; the release is not blamed for it."""
    world.acts[f"{verb}:swap"] = [act]
    if verb == "undo":
        world.acts["do:verify"] = ["fail_host"]
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert set(world.cells.values()) == {"old"}
    failed = {"do": Kind.STEP_FAILED, "undo": Kind.UNDO_FAILED}[verb]
    with rig.journal() as journal:
        rows = [row for row in journal.log(run.id) if row.kind is failed]
        assert [row.step for row in rows if "a bug in the adapter" in row.data["todo"]] == [NAMES.index("swap")]
        assert journal.policy.quarantined("c", Version("2")) is None


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_program_that_is_ended_by_an_exception_is_no_loop(rig, world, stop):
    """Ctrl-C in a program that embeds the library, any number of times: the release has nothing to do with it."""

    def ended(verb: str, name: str) -> None:
        if name == "swap":
            raise stop

    world.before_act = ended
    with pytest.raises(stop):
        rig.start()
    for _ in range(LIMIT + 2):
        with pytest.raises(stop):
            rig.resume()
    world.before_act = lambda verb, name: None
    assert rig.resume().state is State.DONE


def test_undos_that_failed_are_not_called_killed(rig, world):
    """Two failures and one crash: what is said of three attempts is true of each."""
    world.acts["do:verify"] = ["fail"]
    world.acts["undo:swap"] = ["fail_host", "fail_host"]

    def third(verb: str, name: str) -> None:
        if world.calls.count("undo:swap") == LIMIT:
            raise Crash(name)

    world.before_act = third
    with pytest.raises(Crash):
        rig.start()
    run = rig.resume()
    assert run.state is State.FAILED
    assert "killed" not in run.reason
    assert "no progress in 3 attempts at undoing the step 'swap'" in run.reason


def test_three_crashes_at_three_steps_are_progress(rig, world):
    """Each finished step starts the count anew."""
    with crash_at(1, only="step.before_do"), pytest.raises(Crash):
        rig.start()
    for _ in range(5):
        with crash_at(1, only="step.before_do"), pytest.raises(Crash):
            rig.resume()
    assert rig.resume().state is State.DONE


def test_three_crashes_in_checking_end_the_run_without_touching_anything(rig, world):
    """Nothing was planned, so nothing is undone."""

    def die(run: Run, context: object) -> Plan:
        raise Crash

    rig.checked = die
    with pytest.raises(Crash):
        rig.start()
    for _ in range(LIMIT - 1):
        with pytest.raises(Crash):
            rig.resume()
    run = rig.resume()
    assert run.state is State.IDLE
    assert "in the state checking" in run.reason
    assert world.calls == []


def test_three_crashes_in_the_same_undo_need_a_person(rig, world):
    """A rollback that makes no progress says what is left to do."""
    world.acts["do:verify"] = ["fail"]
    with crash_at(2, only="step.before_undo"), pytest.raises(Crash):
        rig.start()
    for _ in range(LIMIT - 1):
        with crash_at(0, only="step.before_undo"), pytest.raises(Crash):
            rig.resume()
    run = rig.resume()
    assert run.state is State.FAILED
    assert "undoing the step 'swap'" in run.reason
    assert "`fsm rollback c`" in run.todo


def test_an_undo_that_fails_three_times_needs_a_person_who_can_retry(rig, world):
    """`failed` is left by `retry` once the cause is mended, at the undo that failed."""
    world.acts["do:verify"] = ["fail"]
    world.acts["undo:stop"] = ["fail"] * LIMIT
    run = rig.start()
    assert run.state is State.FAILED
    assert "then the rollback failed" in run.reason
    world.calls.clear()
    run = rig.retry()
    assert run.state is State.ROLLED_BACK
    assert world.calls == ["undo:stop", "undo:fetch", "undo:copy", "undo:save"]


def test_an_undo_that_fails_once_is_tried_again(rig, world):
    """What was busy may be free a moment later."""
    world.acts["do:verify"] = ["fail"]
    world.acts["undo:stop"] = ["fail"]
    run = rig.start()
    assert run.state is State.ROLLED_BACK
    assert kinds(rig, run).count("undo_failed") == 1


def test_the_pause_before_another_undo_ends_with_the_deadline(rig, world):
    """A rollback without time left goes on to its limit rather than to wait."""
    world.acts["do:verify"] = ["fail"]
    world.acts["undo:stop"] = ["fail"]

    def jump() -> None:
        rig.time.now += 10**6

    rig.time.on_wait = jump
    assert rig.start().state is State.FAILED


def test_up_to_date_is_idle_with_a_reason(rig, world):
    """Nothing to do is no failure."""

    def nothing(run: Run, context: object) -> Plan:
        raise UpToDate("2 is the newest release")

    rig.checked = nothing
    run = rig.start()
    assert (run.state, run.reason) == (State.IDLE, "2 is the newest release")
    with rig.journal() as journal:
        assert run_report(journal, run).outcome is Outcome.UP_TO_DATE


@pytest.mark.parametrize(
    "error",
    [Refused("cannot", "because", "do"), Refused("cannot"), KeyError("a bug"), OSError(28, "No space left on device")],
)
def test_a_refusal_touches_nothing(rig, world, error):
    """Also an unexpected error in `checking` is only a refusal."""

    def refuse(run: Run, context: object) -> Plan:
        raise error

    rig.checked = refuse
    run = rig.start()
    assert run.state is State.IDLE
    assert run.reason
    assert ("bug" in run.todo) == isinstance(error, KeyError)
    with rig.journal() as journal:
        assert run_report(journal, run).outcome is Outcome.REFUSED


def test_checking_waits_for_the_network(rig, world):
    """A source that cannot be reached is asked again, for a while."""
    tries = []

    def flaky(run: Run, context: object) -> Plan:
        tries.append(1)
        if len(tries) < 4:
            raise Transient("cannot reach the source", "no route to host")
        raise UpToDate("nothing new")

    rig.checked = flaky
    assert rig.start().state is State.IDLE
    assert len(tries) == 4


def test_checking_gives_up_when_its_time_is_over(rig, world):
    """A source that stays away ends the check, nothing else."""

    def away(run: Run, context: object) -> Plan:
        raise Transient("cannot reach the source", "no route to host")

    rig.checked = away
    run = rig.start()
    assert run.state is State.IDLE
    assert "no route to host" in run.reason
