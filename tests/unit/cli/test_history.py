"""history, show, hold, unhold, pin."""

from __future__ import annotations

import pytest

from fsm.updater import Updater
from tests.unit.cli.conftest import FAILS, Line, interrupted, sql


def test_history_lists_the_newest_run_first(updated: Line):
    """With outcome, age, length and downtime."""
    assert updated("history")[:2] == (0, "no runs yet\n")
    updated("update")
    updated("update")
    updated("rollback")
    header, *rows = updated("history").out.splitlines()
    assert header.split() == ["RUN", "COMPONENT", "KIND", "FROM", "TO", "OUTCOME", "STARTED", "TOOK", "DOWN"]
    assert [row.split()[:6] for row in rows] == [
        ["3", "app", "rollback", "1.1.0", "1.0.0", "done"],
        ["2", "app", "update", "-", "-", "up_to_date"],
        ["1", "app", "update", "1.0.0", "1.1.0", "done"],
    ]
    assert rows[1].split()[-1] == "-"
    assert [run["run"] for run in updated("history", "--limit", "2", "--json").results] == [3, 2]


def test_history_of_one_component(updated: Line):
    """Also of one that is no longer configured; a name that nobody knows is an error."""
    updated("update")
    updated.configure(lib=updated.another("lib"))
    assert updated("history", "lib").out == "no runs yet\n"
    updated.path.write_text(updated.path.read_text().replace("components.app", "components.other"))
    assert [run["component"] for run in updated("history", "app", "--json").results] == ["app"]
    assert updated("history", "nobody").code == 2


def test_verify_says_that_the_chain_is_whole(updated: Line):
    """With the number of rows and the newest hash, to note it elsewhere."""
    updated("update")
    ended = updated("history", "--verify")
    (found,) = updated("history", "--verify", "--json").results
    assert ended.code == 0
    assert ended.out == f"{found['rows']} rows, the chain is intact, newest hash {found['newest_hash']}\n"
    assert len(found["newest_hash"]) == 64


@pytest.mark.processes
def test_verify_finds_an_edited_row(updated: Line):
    """40, and which row."""
    updated("update")
    sql(updated, "DROP TRIGGER log_is_append_only_update; UPDATE log SET data='{}' WHERE seq=3")
    ended = updated("history", "--verify")
    assert ended.code == 40
    assert ended.out.startswith("row 3 was edited\n")
    assert updated("history", "--verify", "--json").results[0]["problems"] == ["row 3 was edited"]


def test_show_has_everything_about_a_run(updated: Line):
    """Steps, times, retries, messages, notes, paths."""
    updated("update")
    ended = updated("show", "1")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert lines[0].startswith("app: updated 1.0.0 -> 1.1.0 in ")
    assert lines[1] == "run: 1, update, state done, outcome done, attempt 1"
    assert lines[2].startswith("started: 20")
    assert lines[3].startswith("downtime: ")
    assert lines[4] == "the installed component was touched"
    header = next(number for number, text in enumerate(lines) if text.startswith("#  "))
    assert lines[header].split() == ["#", "PHASE", "STEP", "STATUS", "STARTED", "TOOK", "RETRIES", "MESSAGE"]
    assert lines[header + 1].startswith("1   backing_up  ")
    assert (
        f"  download: {updated.app_fixture.releases}/1.1.0/app-1.1.0.tar.gz" not in lines
    )  # that is a URL, not a path
    assert f"{updated.app_fixture.work}/run-1/download" in next(
        text for text in lines if text.startswith("  download: ")
    )
    (whole,) = updated("show", "1", "--json").results
    assert whole["plan"]["to_version"] == "1.1.0"
    assert whole["steps"][0]["status"] == "done"


@pytest.mark.processes
def test_show_says_why_a_run_did_not_succeed(updated: Line):
    """Reason, what to do, and the message at the step."""
    updated.configure(app=updated.another("x", install_path=str(updated.app_fixture.live), post_checks=[FAILS]))
    updated("update")
    text = updated("show", "1").out
    assert "\nreason: " in text
    assert "  failed  " in text or "  undone  " in text
    updated("update", "--version", "9.9")
    text = updated("show", "2").out
    assert "\nto do: choose a published version that the pin allows\n" in text
    assert "\nthe installed component was not touched\n" in text
    assert "PHASE" not in text


@pytest.mark.processes
def test_show_of_a_run_in_progress(updated: Line):
    """It has not ended; steps that were not begun have no time."""
    interrupted(updated)
    text = updated("show", "1").out
    assert ", ended" not in text
    assert "  pending  -         -" in text
    assert updated("show", "77").code == 2


@pytest.mark.processes
def test_show_of_a_run_whose_plan_is_unknown(updated: Line):
    """What stands in the run's own row is shown all the same."""
    interrupted(updated)
    for damage in ("replace(text, '\"schema_version\":1', '\"schema_version\":2')", "'[]'", "'{'"):
        sql(updated, f"UPDATE plan SET text={damage}")
        assert updated("status").out.endswith("app: interrupted while updating; run `fsm resume app` to continue\n")
        assert Updater.from_config(updated.path).history()[0].steps == ()


def test_hold_and_unhold(updated: Line):
    """A held component is refused, and `--force` passes."""
    assert updated("hold").out == "app: held (no reason given), not pinned\n"
    assert updated("hold", "app", "--why", "a\nb").out == "app: held (a b), not pinned\n"
    assert updated("update").code == 20
    assert updated("unhold", "--json").results[0]["held"] is None
    assert updated("update").code == 0
    updated("hold")
    updated.app_fixture.publish("1.2.0")
    assert updated("update", "--force").code == 0


def test_hold_is_all_or_nothing(updated: Line):
    """A misspelt name among several holds none of them."""
    assert updated("hold", "app", "apo").code == 2
    assert updated("unhold", "app", "apo").code == 2
    assert updated("status", "--json").results[0]["held"] is None
    updated.configure(lib=updated.another("lib"))
    assert updated("hold", "--all").out.count("held (") == 2


def test_pin(updated: Line):
    """A version or a range; nonsense is refused."""
    assert updated("pin", "app", "~=1.0.0").out == "app: not held, pinned to ~=1.0.0\n"
    assert updated("update").code == 0
    assert updated.app_fixture.version() == "1.0.0"
    assert updated("pin", "app", "1.1.0", "--json").results[0]["pin"] == "1.1.0"
    assert updated("update").code == 0
    assert updated("pin", "app", "--remove").out == "app: not held, not pinned\n"
    assert updated("pin", "app", "newest").code == 2
    assert updated("pin", "app").code == 2
    assert updated("pin", "app", "1.0", "--remove").code == 2
    assert updated("pin", "nobody", "1.0").code == 2
