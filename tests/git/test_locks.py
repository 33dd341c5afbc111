"""Locks of git: those that somebody holds, and those that a killed git left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from fsm.engine.report import Outcome

LOCKS = ["index.lock", "HEAD.lock", "packed-refs.lock", "shallow.lock", "config.lock", "refs/heads/main.lock"]


def orphan(path, *, age=3600.0):
    """A lock whose owner is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    then = time.time() - age
    os.utime(path, (then, then))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_whose_owner_is_gone_is_removed_and_said(made, name):
    """Every one that would stop an update."""
    app_fixture = made()
    lock = app_fixture.live / ".git" / name
    orphan(lock)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert not lock.exists()
    assert any(str(lock) in note and "removed" in note for note in result.notes)


def test_a_lock_in_use_is_waited_for(made):
    """A commit that is being made ends by itself."""
    app_fixture = made(lock_wait=10.0)
    lock = app_fixture.live / ".git/index.lock"
    lock.write_bytes(b"")
    with lock.open("rb") as held:
        holder = _holding(held)
        timer = threading.Timer(1.0, lambda: (lock.unlink(), holder.kill()))
        timer.start()
        result = app_fixture.updater().update("app")
        timer.join()
        holder.wait()
    assert result.outcome is Outcome.DONE, result.headline
    assert not any("lock" in note for note in result.notes)


def test_a_lock_that_somebody_holds_is_explained(made):
    """With who it is; the service was not stopped, the lock is still there."""
    app_fixture = made()
    lock = app_fixture.live / ".git/index.lock"
    orphan(lock)
    with lock.open("rb") as held:
        holder = _holding(held)
        result = app_fixture.updater().update("app")
        holder.kill()
        holder.wait()
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert f"pid {holder.pid}" in result.reason
    assert str(lock) in result.reason
    assert lock.exists()
    assert app_fixture.answer() == "1.0.0"


def test_a_git_at_work_owns_the_locks_of_its_repository(made, tmp_path):
    """Also one that has closed the file while a hook runs."""
    app_fixture = made()
    lock = app_fixture.live / ".git/index.lock"
    orphan(lock)
    # A program called git-something, at work in the checkout.
    program = tmp_path / "git-commit"
    program.symlink_to(sys.executable)
    holder = subprocess.Popen([str(program), "-c", "import time; time.sleep(60)"], cwd=app_fixture.live / "lib")
    try:
        result = app_fixture.updater().update("app")
    finally:
        holder.kill()
        holder.wait()
    assert result.outcome is Outcome.REFUSED
    assert f"git-commit (pid {holder.pid})" in result.reason
    assert lock.exists()


def test_a_fresh_lock_without_an_owner_is_waited_for(made):
    """Somebody may own it whom we cannot see: it has to be older than the wait."""
    app_fixture = made(lock_wait=1.0)
    lock = app_fixture.live / ".git/index.lock"
    begun = time.monotonic()
    lock.write_bytes(b"")
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert time.monotonic() - begun > 1.0
    assert any("removed" in note for note in result.notes)


def test_doctor_tells_of_locks_and_empty_objects(made):
    """And of what is odd about a checkout."""
    app_fixture = made()
    orphan(app_fixture.live / ".git/index.lock")
    (app_fixture.live / ".git/objects/ab").mkdir(exist_ok=True)
    (app_fixture.live / ".git/objects/ab" / ("c" * 38)).write_bytes(b"")
    subprocess.run(["git", "-C", str(app_fixture.live), "update-ref", "--no-deref", "HEAD", "HEAD"], check=False)
    said = " ".join(finding.message for finding in app_fixture.updater().doctor() if finding.subject == "app")
    assert "index.lock is held by nobody who still runs" in said
    assert "1 objects are empty" in said
    assert "is installed" in said


def _holding(held):
    """A process that has the file open."""
    return subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], pass_fds=[held.fileno()])
