"""Going back, and what becomes of people's files: said before it happens, chosen, kept, and brought back."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from fsm.aio import AsyncUpdater
from fsm.engine.report import Outcome
from fsm.errors import UsageError
from fsm.system import inventory
from fsm.system.inventory import Inventory
from tests.app_fixture import AppFixture
from tests.contract.hosts import installed
from tests.world import Crash, crash_at

NEWER = "written days after the update\n"


def updated(root: Path) -> AppFixture:
    """1.1.0 runs since days, and people have worked with it: a file changed, one is new, one is gone."""
    app_fixture = installed(root)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    work_on(app_fixture)
    return app_fixture


def work_on(app_fixture: AppFixture) -> None:
    """What people do in days."""
    (app_fixture.live / "data/log").write_text(NEWER)
    (app_fixture.live / "data/added").write_text("new\n")
    (app_fixture.live / "data/deep/er/blob").unlink()


def data_of(tree: Path) -> Inventory:
    """Every preserved file of a tree, with bytes, mode and owner."""
    found = inventory.take(tree, skip=lambda path: path.parts[0] not in (".env", "data"))
    assert found
    return found


def test_a_rollback_of_an_old_update_takes_nothing_back_without_a_word(root):
    """Nobody said what becomes of three files that changed: nothing is touched, and one line says what to write."""
    app_fixture = updated(root)
    before = data_of(app_fixture.live)
    result = app_fixture.updater().rollback("app")
    assert result.outcome is Outcome.REFUSED, result.headline
    assert "3 preserved files changed since" in result.reason
    assert "--data keep" in result.todo
    assert "--data restore" in result.todo
    assert app_fixture.answer() == "1.1.0"
    assert not before.compare(data_of(app_fixture.live))


def test_restored_files_are_those_of_then_and_the_newer_ones_are_kept(root):
    """The result says where, and `bring_back` puts them where they were; what these replace is kept in turn."""
    app_fixture = installed(root)
    then = data_of(app_fixture.live)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    work_on(app_fixture)
    newer = data_of(app_fixture.live)
    result = app_fixture.updater().rollback("app", data="restore")
    assert result.outcome is Outcome.DONE, result.headline
    assert not then.compare(data_of(app_fixture.live))
    where = app_fixture.work / "backups" / f"1.1.0@{result.run}" / "tree"
    assert any(str(where) in note for note in result.notes), result.notes
    _, made = app_fixture.updater().show(result.run or 0)
    assert made is not None
    assert made.data is not None
    assert (made.data.choice, made.data.said_by, made.data.changed) == ("restore", "call", 3)
    assert made.data.names == ("data/added", "data/deep/er/blob", "data/log")
    assert made.data.kept_in.replace("{run}", str(result.run)) == str(where)
    back = app_fixture.updater().bring_back("app", str(result.run))
    assert (back.outcome, back.kind) == (Outcome.DONE, "data"), back.headline
    assert app_fixture.answer() == "1.0.0"
    assert not newer.compare(data_of(app_fixture.live))
    aside = next(each for each in app_fixture.updater().kept_data("app") if each.why == "set_aside")
    assert not then.compare(data_of(aside.path))
    assert any(str(aside.path) in note for note in back.notes), back.notes
    said = [each for each in app_fixture.updater().doctor() if "gave way to others" in each.message]
    assert [each.todo.split(",")[0] for each in said] == ["see `fsm data app list`"]
    again = app_fixture.updater().bring_back("app", aside.id)
    assert again.outcome is Outcome.DONE, again.headline
    assert not then.compare(data_of(app_fixture.live))


@pytest.mark.parametrize("how", ["call", "configuration"])
def test_kept_files_stay_and_those_of_the_version_are_set_aside(root, how):
    """The old version runs with today's files; those that it had lie aside, and can be brought back."""
    app_fixture = installed(root, rollback_data="keep" if how == "configuration" else "restore")
    then = data_of(app_fixture.live)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    work_on(app_fixture)
    newer = data_of(app_fixture.live)
    result = app_fixture.updater().rollback("app", data="keep" if how == "call" else None)
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.0.0"
    assert not newer.compare(data_of(app_fixture.live))
    _, made = app_fixture.updater().show(result.run or 0)
    assert made is not None
    assert made.data is not None
    assert (made.data.choice, made.data.said_by) == ("keep", how)
    aside = app_fixture.updater().kept_data("app")[0]
    assert (aside.id, aside.why, str(aside.version)) == (str(result.run), "set_aside", "1.0.0")
    assert made.data.kept_in.replace("{run}", str(result.run)) == str(aside.path)
    assert not then.compare(data_of(aside.path))
    assert app_fixture.updater().bring_back("app", aside.id).outcome is Outcome.DONE
    assert not then.compare(data_of(app_fixture.live))


def test_where_nothing_changed_nobody_is_asked(root):
    """What the app writes until it is stopped is kept."""
    app_fixture = installed(root)
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    (app_fixture.live / "data/log").touch()
    result = app_fixture.updater().rollback("app")
    assert result.outcome is Outcome.DONE, result.headline
    _, made = app_fixture.updater().show(result.run or 0)
    assert made is not None
    assert made.data is not None
    assert (made.data.choice, made.data.said_by, made.data.changed) == ("keep", "default", 0)


def test_a_plan_of_a_rollback_is_undecided_and_changes_nothing(root):
    """It says what changed and how big that is; with a choice it says where the others go."""
    app_fixture = updated(root)
    before = inventory.take(root, skip=lambda path: path.parts[0] == "state")
    made = app_fixture.updater().plan_rollback("app")
    assert made.data is not None
    assert (made.data.choice, made.data.changed, made.data.size) == (None, 3, len(NEWER) + len("new\n"))
    made = asyncio.run(AsyncUpdater.from_data(app_fixture.config).plan_rollback("app", data="keep"))
    assert made.data is not None
    assert made.data.kept_in.endswith("/data/{run}/files")
    assert not before.compare(inventory.take(root, skip=lambda path: path.parts[0] == "state"))


def test_async_programs_choose_and_bring_back_alike(root):
    """The parameter and the verbs are those of the other façade."""
    app_fixture = updated(root)
    newer = data_of(app_fixture.live)

    async def main() -> None:
        host = AsyncUpdater.from_data(app_fixture.config)
        result = await host.rollback("app", data="restore")
        assert result.outcome is Outcome.DONE, result.headline
        assert [each.run for each in await host.kept_data("app")] == [result.run]
        assert result.run is not None
        assert (await host.bring_back("app", result.run)).outcome is Outcome.DONE

    asyncio.run(main())
    assert not newer.compare(data_of(app_fixture.live))


def test_a_killed_rollback_goes_on_with_the_same_choice(root):
    """Also when it was killed before it had a plan, and the configuration says otherwise by then."""
    app_fixture = updated(root)
    newer = data_of(app_fixture.live)
    with crash_at(0, only="journal.after_commit"), pytest.raises(Crash):
        app_fixture.updater().rollback("app", data="keep")
    changed = AppFixture(root, rollback_data="restore")
    (result,) = changed.updater().resume()
    assert (result.outcome, result.to_version) == (Outcome.DONE, "1.0.0"), result.headline
    assert not newer.compare(data_of(app_fixture.live))


def test_a_choice_is_refused_where_there_is_none(root):
    """A run that is undone takes back what it did; and there are two choices, no more."""
    app_fixture = installed(root)
    with crash_at(0, only="service.stopping"), pytest.raises(Crash):
        app_fixture.updater().update("app")
    with pytest.raises(UsageError, match="--data"):
        app_fixture.updater().rollback("app", data="keep")
    with pytest.raises(UsageError, match="keep or restore"):
        app_fixture.updater().rollback("app", data="drop")  # type: ignore[arg-type]
    assert app_fixture.updater().rollback("app").outcome is Outcome.ROLLED_BACK


def test_a_rollback_with_kept_files_that_fails_leaves_everything_as_it_was(root):
    """The kept version has its own files again, the present one those of today."""
    app_fixture = updated(root)
    backup = next((app_fixture.work / "backups").iterdir())
    (backup / "tree" / "BROKEN").touch()
    (backup / "tree" / "WRITES").touch()
    now, then = data_of(app_fixture.live), data_of(backup / "tree")
    result = app_fixture.updater().rollback("app", data="keep")
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert app_fixture.answer() == "1.1.0"
    assert not now.compare(data_of(app_fixture.live))
    assert not then.compare(data_of(backup / "tree"))
    assert not (app_fixture.work / "data").exists()
    written = (app_fixture.work / "aside" / str(result.run) / "data/log").read_text()
    assert written.startswith(NEWER)
    assert "written by 1.0.0" in written


def test_an_update_that_is_undone_says_that_it_restored(root):
    """What the new version wrote is listed, and can be brought back, file by file."""
    app_fixture = installed(root, release=False)
    app_fixture.publish("1.1.0", "BROKEN", "WRITES")
    then = data_of(app_fixture.live)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK
    assert any("preserved files are what they were" in note for note in result.notes), result.notes
    assert not then.compare(data_of(app_fixture.live))
    (found,) = app_fixture.updater().kept_data("app")
    assert (found.why, found.run, found.files, found.partial) == ("written", result.run, 1, True)
    back = app_fixture.updater().bring_back("app", found.id)
    assert back.outcome is Outcome.DONE, back.headline
    assert "written by 1.1.0" in (app_fixture.live / "data/log").read_text()
    changed = then.compare(data_of(app_fixture.live))
    assert (changed.added, changed.removed, changed.changed) == ((), (), ("data/log",))
    assert not (app_fixture.live / "made-by-1.1.0").exists()
    again = app_fixture.updater().bring_back("app", str(back.run))
    assert again.outcome is Outcome.DONE, again.headline
    assert not then.compare(data_of(app_fixture.live))


def test_a_database_that_is_brought_back_meets_no_log_of_another(root):
    """SQLite would play the log of the present database into the earlier one."""
    app_fixture = installed(root, release=False)
    aside = app_fixture.work / "aside/7/data"
    aside.mkdir(parents=True)
    with sqlite3.connect(aside / "app.db") as database:
        database.execute("CREATE TABLE visits (count)")
    (app_fixture.live / "data/app.db").write_bytes(b"another one")
    (app_fixture.live / "data/app.db-wal").write_bytes(b"its log")
    result = app_fixture.updater().bring_back("app", 7)
    assert result.outcome is Outcome.DONE, result.headline
    assert (app_fixture.live / "data/app.db").read_bytes() == (aside / "app.db").read_bytes()
    assert not (app_fixture.live / "data/app.db-wal").exists()
    kept = app_fixture.work / "data" / str(result.run) / "files/data"
    assert (kept / "app.db-wal").read_bytes() == b"its log"
    assert (kept / "app.db").read_bytes() == b"another one"


def test_files_of_no_run_are_not_brought_back(root):
    """The refusal names those that there are."""
    app_fixture = updated(root)
    result = app_fixture.updater().bring_back("app", 12)
    assert result.outcome is Outcome.REFUSED
    assert "is of runs: 1" in result.reason


@pytest.mark.parametrize("point", ["step.before_do", "data.moved", "data.recorded", "bring_back.copied"])
def test_bringing_back_can_be_killed(root, point):
    """Killed and resumed; both sets of files are somewhere, whole. The crash matrix kills it everywhere."""
    app_fixture = updated(root)
    then, now = data_of(app_fixture.work / "backups/1.0.0@1/tree"), data_of(app_fixture.live)
    with crash_at(0, only=point), pytest.raises(Crash):
        app_fixture.updater().bring_back("app", 1)
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.1.0"
    assert not then.compare(data_of(app_fixture.live))
    assert not now.compare(data_of(app_fixture.work / "data" / str(result.run) / "files"))


def test_what_a_killed_plan_has_left_beside_the_app_goes(root):
    """A rollback looks at how trees can be exchanged, as an update does."""
    app_fixture = updated(root)
    left = app_fixture.live.parent / ".fsm-tmp-999999999-0"
    left.mkdir()
    assert app_fixture.updater().rollback("app", data="restore").outcome is Outcome.DONE
    assert not left.exists()
