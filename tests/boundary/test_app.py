"""A Python app of another user's is updated and rolled back as that user, also after a kill."""

from __future__ import annotations

import os
import signal

import pytest

from fsm.engine.report import Outcome
from fsm.system import faults
from tests.app_fixture import wheel
from tests.boundary.apart import apart
from tests.boundary.owned_app import BOTH, USER, OwnedApp, running

pytestmark = [pytest.mark.needs_root, pytest.mark.needs_linux]


@BOTH
@apart
def test_an_app_of_another_user_is_updated_and_rolled_back(parent):
    """Everything of it stays the user's, and what is preserved keeps its mode and its bytes."""
    with running(parent) as app:
        app.publish("1.1.0")
        result = app.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app.answer() == "1.1.0"
        assert app.owners(app.live) == app.owners(app.work) == {USER}
        assert (app.live / ".env").stat().st_mode & 0o777 == 0o600
        assert (app.live / "data/sub/blob").read_bytes() == bytes(1000)
        assert not (app.state / "staging/app").exists()
        back = app.updater().rollback("app")
        assert back.outcome is Outcome.DONE, back.headline
        assert app.answer() == "1.0.0"
        assert app.owners(app.live) == app.owners(app.work) == {USER}
        app.check_canary()


@BOTH
@apart
def test_files_of_another_users_app_are_compared_set_aside_and_brought_back_as_that_user(parent):
    """What changed is found, what gives way and what comes back stay the user's."""
    with running(parent) as app:
        app.publish("1.1.0")
        assert app.updater().update("app").outcome is Outcome.DONE
        blob = app.live / "data/sub/blob"
        was = blob.stat()
        blob.write_bytes(b"newer")
        refused = app.updater().rollback("app")
        assert refused.outcome is Outcome.REFUSED
        assert "1 preserved file changed" in refused.reason
        back = app.updater().rollback("app", data="keep")
        assert back.outcome is Outcome.DONE, back.headline
        assert blob.read_bytes() == b"newer"
        (kept,) = [each for each in app.updater().kept_data("app") if each.why == "set_aside"]
        again = app.updater().bring_back("app", kept.id)
        assert again.outcome is Outcome.DONE, again.headline
        assert blob.read_bytes() == bytes(1000)
        assert (blob.stat().st_mode, blob.stat().st_uid) == (was.st_mode, was.st_uid)
        assert app.owners(app.live) == app.owners(app.work) == {USER}
        app.check_canary()


@BOTH
@apart
def test_a_first_installation_is_the_users(parent):
    """Who owns the directory above decides; in one of root's the configuration does."""
    with OwnedApp(parent, **({"run_as": USER} if parent == "roots" else {})) as app:
        app.publish("1.0.0")
        result = app.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app.answer() == "1.0.0"
        assert app.owners(app.live) == {USER}


@BOTH
@apart
def test_a_failed_update_leaves_the_old_version_and_nothing_else(parent):
    """Also no work directory, in whichever directory it was."""
    with running(parent) as app:
        app.publish("1.1.0", "BROKEN", "WRITES")
        result = app.updater().update("app")
        assert result.outcome is Outcome.ROLLED_BACK, result.headline
        assert app.answer() == "1.0.0"
        assert (app.live / "data/log").read_bytes() == b"first\n"
        assert app.owners(app.live) == app.owners(app.work) == {USER}
        assert [path.name for path in app.work.iterdir()] == ["aside"]


@BOTH
@apart
def test_the_environment_is_built_and_run_as_the_user(parent):
    """With the app's own wheels, and by either builder."""
    with running(parent, environment={"smoke": ["-c", "import one, os; assert os.getuid() == 4242"]}) as app:
        one = wheel("one", "1", {"one.py": b""})
        app.publish("1.1.0", extra={"requirements.txt": b"one\n", "wheels/one-1-py3-none-any.whl": one})
        result = app.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        assert app.owners(app.live) == app.owners(app.work) == {USER}


POINTS = ["keep.recorded", "places.made", "download.done", "prepare.furnished", "exchange.done"]
POINTS += ["carry_over.copied", "start_service.done", "retire.renamed", "unstage.removed"]


@BOTH
@pytest.mark.parametrize("point", POINTS)
@apart
def test_an_update_that_is_killed_is_finished_by_a_resume(parent, point):
    """Wherever the engine was; its worker is gone with it."""
    with running(parent) as app:
        app.publish("1.1.0")
        pid = os.fork()
        if pid == 0:
            faults.install(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
            app.updater().update("app")
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if point == "places.made" and parent == "users":
            assert status == 0
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        (result,) = app.updater().resume()
        assert result.outcome is Outcome.DONE, result.headline
        assert app.answer() == "1.1.0"
        assert app.owners(app.live) == app.owners(app.work) == {USER}
