"""What people and clocks do to updates: two at once, versions by name, holds, pins, kept versions, killed requests."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from fsm.engine.journal import Journal
from fsm.engine.report import Outcome
from fsm.model import Version
from tests.contract.hosts import installed
from tests.world import Crash, crash_at

SLOW_UPDATE = """
import json, sys, time
from fsm.system import faults
from fsm.updater import Updater
def reached(name):
    if name == "download.done":
        print("here", flush=True)
        sys.stdin.readline()
faults.install(reached)
print(Updater.from_data(json.loads(sys.stdin.readline())).update("app").outcome, flush=True)
"""


def test_two_updaters_at_once(root):
    """The second one is told who works and since when, and changes nothing; afterwards it is up to date."""
    app_fixture = installed(root)
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_UPDATE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdin.write(json.dumps(app_fixture.config) + "\n")
        first.stdin.flush()
        assert first.stdout.readline() == "here\n"
        verbs = (
            lambda: app_fixture.updater().update("app"),
            lambda: app_fixture.updater().rollback("app"),
            lambda: app_fixture.updater().resume()[0],
        )
        for verb in verbs:
            result = verb()
            assert result.outcome is Outcome.BUSY
            assert f"process {first.pid}" in result.reason
            assert "since 20" in result.reason
        assert str(first.pid) in (app_fixture.updater().status()[0].running_in or "")
        first.stdin.write("go on\n")
        first.stdin.flush()
        assert first.stdout.readline() == "done\n"
    assert app_fixture.updater().update("app").outcome is Outcome.UP_TO_DATE
    assert app_fixture.answer() == "1.1.0"


def test_what_was_asked_for_survives_a_crash_in_checking(root):
    """A killed `update --version` resumes to that version, a killed `rollback` stays a rollback."""
    app_fixture = installed(root)
    app_fixture.publish("1.2.0")
    app_fixture.updater().check("app")  # makes the journal, so that the next commit is the one that begins a run
    with crash_at(0, only="journal.after_commit"), pytest.raises(Crash):
        app_fixture.updater().update("app", version="1.1.0")
    (result,) = app_fixture.updater().resume()
    assert (result.outcome, result.to_version) == (Outcome.DONE, "1.1.0")
    app_fixture.updater().hold("app", "for a reason")
    with crash_at(0, only="journal.after_commit"), pytest.raises(Crash):
        app_fixture.updater().update("app", force=True)
    (result,) = app_fixture.updater().resume()
    assert (result.outcome, result.to_version) == (Outcome.DONE, "1.2.0")
    app_fixture.updater().unhold("app")
    with crash_at(0, only="journal.after_commit"), pytest.raises(Crash):
        app_fixture.updater().rollback("app", to="1.0.0")
    (result,) = app_fixture.updater().resume()
    assert (result.outcome, result.kind, result.to_version) == (Outcome.DONE, "rollback", "1.0.0")
    assert app_fixture.answer() == "1.0.0"
    assert app_fixture.updater().status()[0].held is not None
    assert app_fixture.updater().update("app").outcome is Outcome.REFUSED


def test_going_back_to_each_of_several_kept_versions(root):
    """By name or to the newest; each with the data that it had, and with what left it kept in turn."""
    app_fixture = installed(root, release=False)
    for number in range(1, 4):
        (app_fixture.live / "data/log").write_text(f"written by 1.{number - 1}.0")
        app_fixture.publish(f"1.{number}.0")
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert [str(kept.version) for kept in app_fixture.updater().backups("app")] == ["1.2.0", "1.1.0", "1.0.0"]
    refused = app_fixture.updater().rollback("app", to="0.1.0")
    assert refused.outcome is Outcome.REFUSED
    assert "1.2.0, 1.1.0, 1.0.0" in refused.reason
    for version in ("1.0.0", "1.2.0", "1.3.0", "1.1.0"):
        result = app_fixture.updater().rollback("app", to=version, data="restore")
        assert result.outcome is Outcome.DONE, result.headline
        assert app_fixture.answer() == version
        last = min(version, "1.2.0")
        assert (app_fixture.live / "data/log").read_text() == f"written by {last}"
    assert app_fixture.updater().rollback("app", data="restore").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.3.0"


def test_retention_keeps_a_number_and_all_the_young_ones(root):
    """What goes is told; the one that was just replaced never goes."""
    app_fixture = installed(root, retention={"count": 2, "days": 0}, release=False)
    notes: tuple[str, ...] = ()
    for number in range(1, 5):
        app_fixture.publish(f"1.{number}.0")
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE
        notes += result.notes
    assert [str(kept.version) for kept in app_fixture.updater().backups("app")] == ["1.3.0", "1.2.0"]
    assert sum("is no longer kept" in note for note in notes) == 2
    young = installed(root / "young", retention={"count": 1, "days": 1}, release=False)
    try:
        for number in range(1, 4):
            young.publish(f"1.{number}.0")
            assert young.updater().update("app").outcome is Outcome.DONE
        assert len(young.updater().backups("app")) == 3
    finally:
        young.kill()


class Clock:
    """A wall clock that stands."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self._now


def test_a_release_that_failed_waits_though_the_clock_jumps(root):
    """It is not tried again by itself: not at once, not when the clock is set back; after its time it is."""
    app_fixture = installed(root, release=False)
    app_fixture.publish("1.1.0", "BROKEN")
    assert app_fixture.updater().update("app").outcome is Outcome.ROLLED_BACK
    refused = app_fixture.updater().update("app")
    assert refused.outcome is Outcome.REFUSED
    assert "has failed here 1 time " in refused.reason
    for jump, blocked in ((9, False), (7, True), (-24 * 3000, True)):
        clock = Clock(datetime.now(UTC) + timedelta(hours=jump))
        with Journal(app_fixture.state / "journal.db", now=clock) as journal:
            assert (journal.policy.blocks("app", Version("1.1.0")) is not None) == blocked
    assert app_fixture.updater().update("app", force=True).outcome is Outcome.ROLLED_BACK
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.answer() == "1.2.0"


def test_a_pin_keeps_newer_ones_away_and_a_hold_all(root):
    """Both say so, and both can be lifted."""
    app_fixture = installed(root)
    app_fixture.publish("2.0.0")
    app_fixture.updater().pin("app", "~=1.1")
    assert app_fixture.updater().update("app").to_version == "1.1.0"
    assert app_fixture.updater().update("app").outcome is Outcome.UP_TO_DATE
    app_fixture.updater().pin("app", None)
    app_fixture.updater().hold("app", "the fair is on")
    refused = app_fixture.updater().update("app")
    assert refused.outcome is Outcome.REFUSED
    assert "the fair is on" in refused.reason
    app_fixture.updater().unhold("app")
    assert app_fixture.updater().update("app").to_version == "2.0.0"


def test_a_stopped_updater_leaves_a_run_that_goes_on(root):
    """A request to stop waits until the service is up, and the next process finishes."""
    app_fixture = installed(root)
    updater = app_fixture.updater()
    updater.observe(lambda event: updater.stop() if (event.kind, event.step) == ("step", "stop_service") else None)
    result = updater.update("app")
    assert result.outcome is Outcome.INTERRUPTED
    assert app_fixture.answer() is not None
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.DONE
    assert app_fixture.answer() == "1.1.0"
