"""A Python app whose user attacks: what that user does to it is the user's own affair, and reaches nobody else."""

from __future__ import annotations

import json
import os
import time

import pytest

from fsm.engine.report import Outcome
from fsm.errors import PlanError
from tests.app_fixture import Trait, wheel
from tests.boundary.apart import apart
from tests.boundary.owned_app import BOTH, OTHER, USER, OwnedApp, running, swap_for_ever

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_linux]


@BOTH
@apart
def test_files_that_are_swapped_for_links_lead_nowhere(parent):
    """C3: an exchange loop over what is preserved, in the live tree and in the staged one."""
    with running(parent) as app:
        victims = [app.live / f"data/{number}" for number in range(20)]

        def furnish() -> None:
            for number, place in enumerate(victims):
                place.mkdir()
                (place / "file").write_bytes(b"the user's\n")
                (app.live / f"data/link{number}").symlink_to(app.canary)

        app.as_user(furnish)
        pairs = [(place, app.live / f"data/link{number}") for number, place in enumerate(victims)]
        for number in (1, 2):
            app.publish(f"1.{number}.0")
            with app.meanwhile(lambda: swap_for_ever(pairs)):
                result = app.updater().update("app")
            assert result.outcome in (Outcome.DONE, Outcome.ROLLED_BACK, Outcome.REFUSED), result.headline
            app.check_canary()
        assert app.answer() is not None


@apart
def test_a_directory_of_another_user_within_roots_app_is_copied_without_following_links():
    """C3, where the tree is root's and only its data are a service's: root copies, by descriptors."""
    with running("roots") as app:
        for root, directories, names in os.walk(app.live):
            for name in (".", *directories, *names):
                os.chown(os.path.join(root, name), 0, 0, follow_symlinks=False)
        pairs = []
        for number in range(20):
            (app.live / f"data/{number}").mkdir()
            (app.live / f"data/{number}/file").write_bytes(b"the user's\n")
            (app.live / f"data/link{number}").symlink_to(app.canary)
            pairs.append((app.live / f"data/{number}", app.live / f"data/link{number}"))
        for path in (app.live / "data", *(app.live / "data").rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        app.stop()
        app.start()
        traits: list[tuple[Trait, ...]] = [(), ("BROKEN", "WRITES"), ()]
        for number, chosen in enumerate(traits, 1):
            app.publish(f"1.{number}.0", *chosen)
            with app.meanwhile(lambda: swap_for_ever(pairs)):
                result = app.updater().update("app")
            assert result.outcome in (Outcome.DONE, Outcome.ROLLED_BACK, Outcome.REFUSED), result.headline
            app.check_canary()


@BOTH
@apart
def test_programs_in_the_tree_run_as_the_user(parent):
    """C4: `version.command` with a planted `cat`, by every verb that asks for the version."""
    with running(parent, version={"command": ["cat", "VERSION"]}) as app:
        app.plant(app.live / "cat", 'exec /bin/cat "$@"')
        app.publish("1.1.0", extra={"cat": app.program() + b'exec /bin/cat "$@"\n'})
        updater = app.updater()
        updater.status("app")
        updater.doctor()
        updater.check("app")
        updater.plan("app")
        updater.update("app")
        assert app.ran_as() == {str(USER)}


@BOTH
@apart
def test_a_version_without_end(parent):
    """The command that tells the version reads what never ends: the version is unknown, and nothing is full of it."""
    with running(parent, version={"command": ["cat", "VERSION"]}) as app:
        app.publish("1.1.0")
        (app.live / "VERSION").unlink()
        (app.live / "VERSION").symlink_to("/dev/zero")
        updater = app.updater()
        status, *_ = updater.status("app")
        assert status.installed is None
        assert "more than" in status.why_unknown
        updater.plan("app")


@BOTH
@apart
def test_a_migration_that_is_replaced_in_the_staged_tree_runs_as_the_user(parent):
    """C4: so is one of the release's own."""
    with running(parent, migration={"command": ["migrate.sh"]}) as app:
        app.publish("1.1.0", extra={"migrate.sh": app.program()})

        def make_executable() -> None:
            while True:
                for path in app.work.glob("run-*/tree/migrate.sh"):
                    path.write_bytes(app.program())
                    path.chmod(0o755)
                time.sleep(0.001)

        with app.meanwhile(make_executable):
            result = app.updater().update("app")
        assert app.ran_as() == {str(USER)}, result.headline
        assert result.outcome is Outcome.DONE, result.headline


@BOTH
@apart
def test_a_planted_interpreter_in_a_kept_environment_runs_as_the_user(parent):
    """C4 and C5: the environment is found again by a name that the user can make."""
    with running(parent, environment={"smoke": ["-c", "pass"]}) as app:
        extra = {"requirements.txt": b"one\n", "wheels/one-1-py3-none-any.whl": wheel("one", "1", {"one.py": b""})}
        app.publish("1.1.0", extra=extra)
        assert app.updater().update("app").outcome is Outcome.DONE
        (python,) = app.work.glob("envs/*/bin/python")
        app.plant(python)
        app.publish("1.2.0", extra=extra)
        result = app.updater().update("app")
        assert app.ran_as() == {str(USER)}, result.headline
        assert app.answer() is not None


@BOTH
@apart
def test_a_planted_record_of_a_backup_removes_nothing_of_roots(parent):
    """C5: retention removes the archive that a record names; it does so as the user."""
    with running(parent, retention={"count": 1, "days": 0}) as app:
        app.publish("1.1.0")
        assert app.updater().update("app").outcome is Outcome.DONE

        def plant() -> None:
            for number in (1, 2):
                place = app.work / f"backups/0.{number}.0@{number}"
                (place / "tree").mkdir(parents=True)
                record = {"run": number, "version": f"0.{number}.0", "made_at": "2020-01-01T00:00:00+00:00"}
                more = {"service_active": True, "files": 0, "preserved": [], "archive": str(app.canary / "file")}
                (place / "record.json").write_text(json.dumps(record | more))
                (app.work / "backups" / f"link{number}@{number}").symlink_to(app.canary)

        app.as_user(plant)
        app.publish("1.2.0")
        result = app.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        app.check_canary()


@BOTH
@apart
def test_setting_aside_goes_through_no_exchanged_link(parent):
    """H1: what a broken version wrote is moved as the user, who swaps its directories meanwhile."""
    with running(parent) as app:
        app.publish("1.1.0", "BROKEN", "WRITES", extra={f"made/{number}/x": b"" for number in range(30)})

        def swap() -> None:
            trees = [app.live, *(app.work / f"run-{number}/tree" for number in range(1, 5))]
            for tree in trees:
                for number in range(30):
                    if (tree / f"made/{number}").is_dir():
                        (tree / f"made/{number}/written").write_bytes(b"new")
                        (tree / f"made/link{number}").symlink_to(app.canary / "sub")
            pairs = [(tree / f"made/{n}", tree / f"made/link{n}") for tree in trees for n in range(30)]
            swap_for_ever(pairs)

        def swap_once_it_is_there() -> None:
            while not any(app.work.glob("run-*/tree/made/29")):
                time.sleep(0.001)
            swap()

        with app.meanwhile(swap_once_it_is_there):
            result = app.updater().update("app")
        assert result.outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED), result.headline
        app.check_canary()
        assert app.answer() == "1.0.0"


@BOTH
@pytest.mark.parametrize("name", ["run-2", "run-2/tree", "backups", "envs", "installed.json", "aside"])
@apart
def test_links_in_the_work_directory_lead_nowhere(parent, name):
    """C5: the work directory is the user's, and so is what a link in it does."""
    with running(parent) as app:
        app.publish("1.1.0")
        assert app.updater().update("app").outcome is Outcome.DONE

        def plant() -> None:
            place = app.work / name
            place.parent.mkdir(exist_ok=True)
            if place.exists():
                place.rename(place.with_name("was"))
            place.symlink_to(app.canary)

        app.as_user(plant)
        app.publish("1.2.0", "BROKEN", "WRITES")
        app.updater().update("app")
        app.check_canary()
        assert app.answer() in ("1.1.0", "1.2.0", None)


@apart
def test_a_link_in_the_place_of_the_work_directory_is_not_followed():
    """Where the directory above is root's, only root can make one; where it is the user's, all is done as the user."""
    with running("users") as app:
        app.as_user(lambda: app.work.symlink_to(app.canary))
        app.publish("1.1.0")
        result = app.updater().update("app")
        assert result.outcome is not Outcome.DONE
        app.check_canary()
        assert app.answer() == "1.0.0"


@apart
def test_a_tree_that_is_swapped_for_a_link_does_not_come_into_roots_directory():
    """The exchange itself: root looks at what has arrived, and puts it back."""
    with running("roots") as app:
        app.publish("1.1.0")

        def swap() -> None:
            while not any(app.work.glob("run-*/new.inventory")):
                time.sleep(0.001)
            (run,) = app.work.glob("run-*")
            (run / "link").symlink_to(app.canary)
            swap_for_ever([(run / "link", run / "tree")])

        with app.meanwhile(swap):
            app.updater().update("app")
        assert not app.live.is_symlink()
        assert app.live.stat().st_uid == USER
        app.check_canary()


@apart
def test_a_directory_that_others_may_write_is_no_place_for_root_to_move_things():
    """Whoever may write there is the first on the way, so his rights count: refused, with what to do."""
    with running("roots") as app:
        os.chown(app.home, OTHER, OTHER)
        app.publish("1.1.0")
        with pytest.raises(PlanError, match="and user 4243 cannot keep it as it is") as found:
            app.updater().plan("app")
        assert "chown" in found.value.todo
        assert app.answer() == "1.0.0"


@BOTH
@apart
def test_doctor_names_who_else_may_write(parent):
    """Other owners within the tree, and files that everybody may write."""
    with running(parent) as app:
        os.chown(app.live / "lib", OTHER, OTHER)
        (app.live / "serve.py").chmod(0o666)
        said = [finding.message for finding in app.updater().doctor() if finding.level == "warning"]
        assert any("lib belongs to user 4243" in message for message in said)
        assert any("every user may write to serve.py" in message for message in said)
        app.home.chmod(0o777)
        said = [finding.message for finding in app.updater().doctor() if finding.level == "error"]
        assert any(f"every user may write to {app.home}" in message for message in said)


@BOTH
@apart
def test_preserved_files_of_others_are_refused_before_anything_changes(parent):
    """As the user nobody can copy them with their owner; in silence nobody loses an owner."""
    with running(parent) as app:
        os.chown(app.live / "data/log", OTHER, OTHER)
        app.publish("1.1.0")
        with pytest.raises(PlanError, match="data/log belongs to user 4243"):
            app.updater().plan("app")


@apart
def test_an_archive_is_written_as_the_user_or_not_at_all():
    """Its directory must be the user's to write to; that is found out before the update."""
    with running("users", backup="archive", backup_dir="{root}/archives") as app:
        (app.place / "archives").mkdir()
        app.publish("1.1.0")
        with pytest.raises(PlanError, match="backup_dir"):
            app.updater().plan("app")
        os.chown(app.place / "archives", USER, USER)
        assert app.updater().update("app").outcome is Outcome.DONE
        assert app.owners(app.place / "archives") == {USER}


@BOTH
@apart
def test_a_tree_that_somebody_trusted_owns_is_touched_as_before(parent):
    """`run_as = "root"`: the updater does it all, and whose everything is stays as it was."""
    with running(parent, run_as="root") as app:
        app.publish("1.1.0")
        result = app.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app.answer() == "1.1.0"
        assert (app.live / ".env").stat().st_uid == USER


@apart
def test_a_tree_of_roots_that_everybody_may_write_is_not_used_as_root():
    """C4: nothing of it runs, not even to tell the version; an update is refused, with what to do."""
    with OwnedApp("roots", version={"command": ["tell", "VERSION"]}) as app:
        app.install("1.0.0")
        for path in (app.live, *app.live.rglob("*")):
            os.chown(path, 0, 0)
        app.live.chmod(0o777)
        app.plant(app.live / "tell", 'exec /bin/cat "$@"')
        app.publish("1.1.0")
        (status,) = app.updater().status("app")
        assert "not run as root" in (status.why_unknown or "")
        with pytest.raises(PlanError, match="every user may write") as found:
            app.updater().plan("app")
        assert "chmod o-w" in found.value.todo
        assert app.ran_as() == set()


@apart
def test_a_work_directory_that_is_not_roots_is_not_used_as_root():
    """C5: it may be from when the app was somebody else's, with an interpreter in it that root would run."""
    with OwnedApp("roots") as app:
        app.install("1.0.0")
        for path in (app.live, *app.live.rglob("*")):
            os.chown(path, 0, 0)
        app.work.mkdir()
        os.chown(app.work, USER, USER)
        app.publish("1.1.0")
        with pytest.raises(PlanError, match=r"app\.fsm belongs to user 4242"):
            app.updater().plan("app")
