"""`fsm update --set` and `--atomic`: several components, one plan, one result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Host
from tests.pair import Pair
from tests.world import Crash, crash_at

pytestmark = pytest.mark.needs_linux


@pytest.fixture
def pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Host]:
    """A host with two apps of 1.0.0 that run, and 1.1.0 of both."""
    with Pair(tmp_path) as app_fixture:
        app_fixture.install("1.0.0")
        app_fixture.furnish()
        app_fixture.start()
        app_fixture.publish("1.1.0")
        yield Host(app_fixture, capsys)


def test_a_set_is_planned_updated_and_told_as_one(pair: Host):
    """Both plans, one line for the set and one for each member, exit code 0."""
    assert pair.fsm("plan", "--set", "both") == 0
    assert pair.out.count("nothing was changed") == 2
    assert pair.fsm("update", "--set", "both", "--dry-run") == 0
    assert pair.app_fixture.answer() == "1.0.0"
    assert pair.fsm("update", "--set", "both") == 0
    assert [line.split(":")[0] for line in pair.out.splitlines() if not line.startswith(" ")] == [
        "@both",
        "app",
        "second",
    ]
    assert "@both: all members updated in" in pair.out
    assert pair.app_fixture.answer() == "1.1.0"
    assert pair.fsm("history") == 0
    assert "@both" in pair.out
    assert pair.fsm("history", "--verify") == 0
    assert pair.fsm("update", "--set", "both") == 0
    assert "@both: up to date (every member is up to date)" in pair.out
    assert pair.fsm("show", "1") == 0


def test_all_updates_a_configured_set_as_one(pair: Host):
    """And says so: the second one fails, and the first is back."""
    pair.app_fixture.publish("1.2.0", "BROKEN", "WRITES")
    assert pair.fsm("update", "--all") == 30
    assert pair.out.startswith("@both: ")
    assert pair.app_fixture.answer() == "1.0.0"


def test_one_that_is_broken_takes_the_other_back(pair: Host):
    """30, and both run what they ran before; the first one's version is not to blame."""
    pair.app_fixture.publish("1.2.0", "BROKEN", "WRITES")
    document = pair.json("update", "--atomic", "second", "app", code=30)
    assert [(result["component"], result["outcome"]) for result in document["results"]] == [
        ("@second+app", "rolled_back"),
        ("app", "rolled_back"),
        ("second", "rolled_back"),
    ]
    assert "second: " in document["results"][0]["reason"]
    assert pair.app_fixture.answer() == "1.0.0"
    assert pair.fsm("status") == 0
    assert pair.fsm("update", "app") == 0
    assert pair.fsm("status") == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "both", "app"), "cannot use --set together with names or --all"),
        (("--set", "both", "--atomic"), "cannot use --set together with names or --all"),
        (("--set", "boht"), "did you mean"),
        (("--set", "both", "--version", "1.1.0"), "cannot use --version with a set"),
        (("--atomic", "app"), "a set needs at least two members"),
    ],
)
def test_contradictions_are_said(pair: Host, words: tuple[str, ...], says: str):
    """2, one line, nothing touched."""
    assert pair.fsm("update", *words) == 2
    assert says in pair.err
    assert pair.app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("@both", "cannot cancel @both: nothing of this set is in progress"),
        ("@app+second", "cannot cancel @app+second: nothing of this set is in progress"),
        ("@boht", "did you mean"),
        ("@app+secund", "did you mean"),
    ],
)
def test_a_set_of_which_nothing_is_in_progress(pair: Host, name: str, says: str):
    """That is said, of a set that there is; another one is named."""
    assert pair.fsm("cancel", name) == 2
    assert says in pair.err


def test_a_set_that_was_killed_before_its_members_began(pair: Host):
    """The status says once where the set is and how to go on; a resume takes it up by its name."""
    with crash_at(0, only="set.planned"), pytest.raises(Crash):
        pair.app_fixture.updater().update_set("both")
    for _ in range(2):  # asked of the façade first, at a glance then
        assert pair.fsm("status") == 0
        assert pair.out.count("@both: interrupted while checking; run `fsm resume @both` to continue") == 1
    assert pair.json("status", "app")["results"][0]["in_set"]["state"] == "checking"
    assert pair.fsm("resume", "@both") == 0
    assert pair.app_fixture.answer() == "1.1.0"
    assert pair.fsm("status") == 0
    assert "@both" not in pair.out


def test_a_set_that_goes_back_leaves_as_many_old_versions_as_retention_says(tmp_path: Path):
    """A member that waits for the others has removed none that it could need when it goes back."""
    with Pair(tmp_path, retention={"count": 1, "days": 0}, settle_seconds=0) as app_fixture:
        app_fixture.install("1.0.0")
        app_fixture.furnish()
        app_fixture.start()
        for number in range(1, 4):
            app_fixture.publish(f"1.{number}.0")
            assert app_fixture.updater().update_set("both")[0].outcome == "done"
        kept = [str(each.version) for each in app_fixture.updater().backups("app")]
        assert kept[0] == "1.2.0"
        assert len(kept) == 2, "one more than is wanted, until the next run"
        app_fixture.publish("1.4.0", "CRASHES")
        assert [each.outcome for each in app_fixture.updater().update_set("both")] == ["rolled_back"] * 3
        assert [str(each.version) for each in app_fixture.updater().backups("app")] == ["1.2.0"]
        assert app_fixture.updater().rollback("app").outcome == "done"
