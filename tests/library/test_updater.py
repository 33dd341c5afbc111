"""The façade over a host with several components in memory: order, locks, resumes, holds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import fsm
from fsm.aio import AsyncUpdater
from fsm.engine.journal import Journal
from fsm.engine.locks import ComponentLock
from fsm.engine.report import Outcome, UpdateResult
from fsm.engine.scheduling import in_order
from fsm.errors import ConfigError, FsmError, Interrupted, JournalError, PlanUnknown, UpToDate, UsageError
from fsm.host.runs import Runs
from fsm.model import Version
from fsm.updater import Updater
from tests.library.hosts import REGISTRY, publish, updater
from tests.world import WORLD, Crash, World, crash_at


def test_dependencies_come_first_and_a_failed_one_stops_what_needs_it(root, world):
    """c needs b, b needs a; b fails."""
    order: list[str] = []
    host = updater(root, "c", "b", "a", c={"depends_on": ["b"]}, b={"depends_on": ["a"]})
    host.observe(lambda event: order.append(event.component))
    world.acts["do:verify"] = ["ok", "fail"]
    results = {result.component: result for result in host.update_all(jobs=2)}
    assert [results[name].outcome for name in "abc"] == [Outcome.DONE, Outcome.ROLLED_BACK, Outcome.REFUSED]
    assert "depends on b" in results["c"].reason
    assert list(dict.fromkeys(order)) == ["a", "b"]


def test_independent_ones_run_at_the_same_time():
    """Two that wait for each other end only when both run."""
    both = threading.Barrier(2, timeout=10)

    def work(name: str, results: dict[str, set[str]]) -> set[str]:
        if name != "c":
            both.wait()
        return set(results)

    assert in_order({"a": [], "b": [], "c": ["a", "b", "elsewhere"]}, work, jobs=2)["c"] == {"a", "b"}


def test_a_component_that_cannot_be_driven_stops_no_other(root, world, monkeypatch):
    """Its result says why."""
    host = updater(root, "a", "b")
    real = Runs.update

    def update(self: Runs, name: str, **options: Any) -> Any:
        if name == "a":
            raise JournalError("cannot", "because", "do")
        return real(self, name, **options)

    monkeypatch.setattr(Runs, "update", update)
    assert [result.outcome for result in host.update_all()] == [Outcome.FAILED, Outcome.DONE]


def test_an_interrupted_run_is_resumed_by_the_next_update(root, world):
    """Whatever that one was asked for."""
    with crash_at(3, only="step.before_do"), pytest.raises(Crash):
        updater(root).update("a")
    assert updater(root).status()[0].last is not None
    result = updater(root).update("a", version="7.7")
    assert (result.outcome, result.to_version) == (Outcome.DONE, "1.1")


def test_a_resume_works_from_the_journal_alone(root, world):
    """Also for a component that is no longer configured, and again when there is nothing left."""
    with crash_at(3, only="step.before_do"), pytest.raises(Crash):
        updater(root, "a", "b").update("a")
    host = updater(root, "b")
    assert [result.outcome for result in host.resume()] == [Outcome.DONE]
    assert host.resume() == []


def test_a_run_that_was_killed_in_checking_and_is_no_longer_configured_ends(root, world):
    """There is nothing to undo."""
    with crash_at(1, only="journal.after_commit"), pytest.raises(Crash):
        updater(root, "a", "b").update("a")
    result = updater(root, "b").resume()[0]
    assert result.outcome is Outcome.REFUSED
    assert "no longer in the configuration" in result.reason


def test_a_plan_of_another_version_stops_no_other_resume(root, world):
    """One of two runs cannot be continued."""
    for name in ("a", "b"):
        with crash_at(3, only="step.before_do"), pytest.raises(Crash):
            updater(root, "a", "b").update(name)
    with Journal(root / "state" / "journal.db") as journal:
        journal.database.execute("UPDATE plan SET text=replace(text, '\"swap\"', '\"teleport\"') WHERE run=1")
    host = updater(root, "a", "b")
    assert [result.outcome for result in host.resume()] == [Outcome.FAILED, Outcome.DONE]
    with pytest.raises(PlanUnknown, match="teleport"):
        host.resume("a")


def test_a_second_updater_is_told_who_works(root, world):
    """And nothing happens to the first one's run."""
    host = updater(root)
    with ComponentLock(root / "state", "a"):
        result = host.update("a")
        assert result.outcome is Outcome.BUSY
        assert "process" in result.reason
        assert host.status()[0].running_in
        assert host.rollback("a").outcome is Outcome.BUSY
    assert host.status()[0].running_in is None
    assert host.update("a").outcome is Outcome.DONE


def test_who_holds_a_lock_is_read_from_anything(tmp_path):
    """Also from a file that is half written."""
    lock = ComponentLock(tmp_path, "a")
    assert "not identified" in lock.holder()
    lock.path.parent.mkdir()
    for text in ("", "[]", "{", '{"pid": 1}', '{"pid": 99999999, "start_time": 1, "since": "x", "argv": []}'):
        lock.path.write_text(text)
        assert lock.running() is None
    (tmp_path / "locks").rename(tmp_path / "gone")
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(JournalError, match="state_dir"), lock:
        pass


def test_what_counts_as_true_is_force(root, world):
    """A program that hands on a 1 is no damage to the journal, which would keep the component from any update."""
    host = updater(root)
    host.hold("a", "not now")
    result = host.update("a", force=1)  # type: ignore[arg-type]  # as untyped programs do
    assert result.outcome is Outcome.DONE


def test_hold_pin_and_quarantine_are_overridden_by_force(root, world):
    """A person's word counts more than what is remembered."""
    host = updater(root)
    host.hold("a", "not now")
    assert "not now" in host.update("a").reason
    assert "held" in host.check("a", force=True).reason
    assert host.status("a")[0].held == "not now"
    host.unhold("a")
    host.pin("a", "<1.1")
    assert host.update("a").outcome is Outcome.UP_TO_DATE
    host.pin("a", None)
    world.acts["do:verify"] = ["fail"]
    assert host.update("a").outcome is Outcome.ROLLED_BACK
    assert "failed here" in host.update("a").reason
    assert host.update("a", force=True).outcome is Outcome.DONE
    with pytest.raises(UsageError):
        host.pin("a", "about 1")


def test_a_wanted_version_that_is_not_there_is_refused(root, world):
    """And one that is installed is up to date."""
    host = updater(root)
    assert host.update("a", version="3").outcome is Outcome.REFUSED
    publish(root, "1.0")
    assert host.update("a", version="1.0").outcome is Outcome.UP_TO_DATE


def test_a_rollback_of_a_finished_update_holds_the_component(root, world):
    """Or the next check would install the same release again."""
    host = updater(root)
    assert host.update("a").outcome is Outcome.DONE
    result = host.rollback("a", to="0.9")
    assert (result.outcome, result.kind) == (Outcome.DONE, "rollback")
    assert "rolled back" in (host.status()[0].held or "")
    assert host.rollback("a", to="0.1").outcome is Outcome.REFUSED
    assert [backup.version for backup in host.backups("a")] == [Version("0.9")]


def test_a_rollback_takes_up_what_failed_or_is_in_progress(root, world):
    """One verb for "make it the old version again"."""
    host = updater(root)
    world.acts |= {"do:verify": ["fail"], "undo:stop": ["fail", "fail", "fail"]}
    assert host.update("a").outcome is Outcome.FAILED
    assert host.rollback("a").outcome is Outcome.ROLLED_BACK
    with crash_at(4, only="step.before_do"), pytest.raises(Crash):
        host.update("a", force=True)
    assert host.rollback("a").outcome is Outcome.ROLLED_BACK


def test_a_cancel_reaches_the_thread_that_drives(root, world):
    """It answers when the old version is back."""
    host, inside, go = updater(root), threading.Event(), threading.Event()

    def wait(verb: str, name: str) -> None:
        if (verb, name) == ("do", "swap"):
            inside.set()
            go.wait(10)

    world.before_act = wait
    results: list[Any] = []
    driver = threading.Thread(target=lambda: results.append(host.update("a")))
    driver.start()
    assert inside.wait(10)
    other = updater(root)
    assert other.cancel("a", timeout=0.3).outcome is Outcome.INTERRUPTED
    threading.Timer(0.3, go.set).start()
    assert other.cancel("a").outcome is Outcome.ROLLED_BACK
    driver.join()
    assert results[0].outcome is Outcome.ROLLED_BACK
    with pytest.raises(UsageError, match="nothing is in progress"):
        other.cancel("a")


def test_a_cancel_without_a_driver_is_done_here(root, world):
    """After a crash."""
    with crash_at(4, only="step.before_do"), pytest.raises(Crash):
        updater(root).update("a")
    assert updater(root).cancel("a").outcome is Outcome.ROLLED_BACK


def test_checks_are_believed_while_they_are_young(root, world):
    """`force`, or another source, asks again; one that fails stops no other."""
    host = updater(
        root, "a", "b", b={"source": {"type": "directory", "allow_unsigned": True, "path": str(root / "none")}}
    )
    first, second = host.check_all()
    assert first.update_available
    assert second.error
    publish(root, "1.2")
    assert host.check("a").target == "1.1"
    assert host.check("a").from_cache
    assert host.check("a", force=True).target == "1.2"
    moved = updater(root, a={"source": {"type": "directory", "allow_unsigned": True, "path": str(root / "none")}})
    with pytest.raises(FsmError):
        moved.check("a")
    sourceless = Updater.from_data(
        {"fsm": {"state_dir": str(root / "state")}, "components": {"a": {"type": "note", "path": str(root / "a")}}},
        registry=REGISTRY,
    )
    with pytest.raises(UsageError, match="no source"):
        sourceless.check("a")
    assert sourceless.check_all() == []
    assert sourceless.status()[0].installed == "1.0"


def test_looking_changes_nothing(root, world):
    """Before the first update there is no journal, and status makes none."""
    host = updater(root)
    assert host.status()[0].installed == "1.0"
    assert host.history() == []
    assert host.verify_history()[0] == []
    assert not (root / "state").exists()
    assert host.plan("a").notes[-1] == "a note"
    assert WORLD.calls == []
    host.update("a")
    assert host.show(1)[1] is not None
    with pytest.raises(UsageError):
        host.show(9)
    (root / "a").write_text("1.1")
    with pytest.raises(UpToDate):
        host.plan("a")
    (root / "a").unlink()
    assert host.status()[0].why_unknown == "there is no note"
    assert {finding.level for finding in host.doctor()} <= {"ok", "warning"}


def test_an_unknown_type_and_a_wrong_version_are_said(root):
    """Before anything is done."""
    with pytest.raises(ConfigError, match="the installed types are: note"):
        Updater.from_data({"components": {"a": {"type": "memo"}}}, registry=REGISTRY)
    with pytest.raises(UsageError, match="not a version"):
        updater(root).update("a", version="the best")


def test_the_package_offers_its_names_late():
    """`import fsm` is cheap."""
    assert fsm.Updater is Updater
    assert fsm.AsyncUpdater is AsyncUpdater
    with pytest.raises(AttributeError):
        fsm.nothing  # noqa: B018 - the access is the test


def stopped_at(one: Updater, world: World, step: str, verb: str = "stop") -> None:
    """Have it be stopped from within that step, once."""

    def before(doing: str, name: str) -> None:
        if (doing, name) == ("do", step):
            world.before_act = lambda doing, name: None
            getattr(one, verb)()

    world.before_act = before


def test_to_stop_ends_what_runs_and_nothing_that_is_called_later(root, world):
    """The same object goes on where it was stopped."""
    one = updater(root)
    one.stop()  # nothing runs: nothing is stopped
    stopped_at(one, world, "copy")
    assert one.update("a").outcome is Outcome.INTERRUPTED
    assert one.plan("a").steps
    assert [result.outcome for result in one.resume()] == [Outcome.DONE]


def test_to_stop_ends_all_of_one_call(root, world):
    """Of several components none is begun any more, and none is left interrupted that had not been begun."""
    one = updater(root, "a", "b", "c")
    stopped_at(one, world, "swap")
    results = one.update_all(jobs=1)
    assert [result.outcome for result in results] == [Outcome.INTERRUPTED] * 3
    assert [result.run is None for result in results] == [False, True, True]
    assert results[1].headline == "b: stopped before anything was begun; nothing was changed"
    assert [result.component for result in one.resume()] == ["a"]
    assert [result.outcome for result in one.update_all(["b", "c"])] == [Outcome.DONE] * 2


@pytest.mark.parametrize(
    ("verb", "asked"), [("update", "a"), ("rollback", "a"), ("update_set", ["a", "b"]), ("update_all", ["a", "b"])]
)
def test_a_program_that_ends_begins_nothing_any_more(root, world, verb, asked):
    """After `shutdown` every verb says so, and leaves nothing behind."""
    one = updater(root, "a", "b")
    one.shutdown()
    found = getattr(one, verb)(asked)
    results = found if isinstance(found, list) else [found]
    assert {result.outcome for result in results} == {Outcome.INTERRUPTED}
    assert one.history() == []
    with pytest.raises(Interrupted):
        one.plan("a")


def test_a_program_that_ends_stops_what_runs(root, world):
    """And what it continues is made whole, not more."""
    one = updater(root, "a", "b")
    stopped_at(one, world, "copy", "shutdown")
    assert one.update("a").outcome is Outcome.INTERRUPTED
    assert [result.outcome for result in one.resume()] == [Outcome.INTERRUPTED]
    assert [result.outcome for result in updater(root, "a", "b").resume()] == [Outcome.DONE]


def test_asked_twice_it_stops_at_once(root, world):
    """Also while the service is down."""
    one = updater(root)

    def twice(verb: str, name: str) -> None:
        if (verb, name) == ("do", "swap"):
            one.stop()
            one.stop()

    world.before_act = twice
    assert one.update("a").outcome is Outcome.INTERRUPTED
    assert "start" not in world.cells


def test_one_who_works_in_this_process_is_not_called_another_updater(root, world):
    """Busy is busy, but with the truth about who is."""
    one, said = updater(root), list[UpdateResult]()

    def meanwhile(verb: str, name: str) -> None:
        if (verb, name) == ("do", "copy"):
            said.append(one.update("a"))

    world.before_act = meanwhile
    assert one.update("a").outcome is Outcome.DONE
    (busy,) = said
    assert busy.outcome is Outcome.BUSY
    assert busy.reason.startswith("this process is working on it already, since ")
