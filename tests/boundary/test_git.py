"""A git checkout of another user: updated, rolled back, killed and resumed as that user, or refused beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from tests.boundary.checkout import USER, unharmed

pytestmark = pytest.mark.needs_root


@pytest.mark.parametrize("parent", [USER, 0], ids=["the user's parent", "root's parent"])
def test_a_whole_life_in_both_layouts(git_host, parent):
    """Update, failed update, rollback: files keep their owner, and what is preserved its bytes."""
    host = git_host(parent=parent)
    (host.live / ".env").write_text("MINE=1\n")
    (host.live / ".env").chmod(0o600)
    host.hand_over()
    before = (host.live / ".env").stat()
    result = host.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    assert host.answer() == "1.1.0"
    host.publish("1.2.0", "BROKEN")
    result = host.updater().update("app")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert host.answer() == "1.1.0"
    result = host.updater().rollback("app")
    assert result.outcome is Outcome.DONE, result
    assert host.answer() == "1.0.0"
    after = (host.live / ".env").stat()
    assert (after.st_uid, after.st_mode, after.st_ino) == (before.st_uid, before.st_mode, before.st_ino)
    assert host.strangers() == []
    assert host.place.stat().st_uid == parent
    assert os.listdir(host.state / "staging") == []
    assert host.as_user("git", "fsck", "--no-dangling", "--no-progress") == ""


@pytest.mark.parametrize("what", ["build", "service"])
def test_the_engine_does_not_do_what_the_user_writes(git_host, what):
    """Docker acts as root: it builds and starts by files that only root writes."""
    build = {"compose": ["compose.yaml"]}
    service = {"web": {"manager": "compose", "cwd": "{live}"}}
    given = {"build": build, "services": {}} if what == "build" else {"services": service}
    host = git_host(**given, publish=False)
    host.publish("1.1.0", extra={"compose.yaml": b"services: {web: {build: .}}\n"})
    result = host.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert "4242" in result.reason
    assert 'run_as = "root"' in result.todo
    assert any("4242" in finding.message for finding in host.updater().doctor() if finding.level == "error")


def test_what_the_user_cannot_keep_is_refused_beforehand(git_host):
    """A preserved file of root's could be neither read nor put back as it is: not found out between stop and start."""
    host = git_host()
    (host.live / ".env").write_text("MINE=1\n")
    (host.live / ".env").chmod(0o600)
    result = host.updater().update("app")
    assert result.outcome is Outcome.REFUSED, result
    assert ".env belongs to user 0" in result.reason
    assert "chown 4242" in result.todo
    assert any(".env belongs to user 0" in finding.message for finding in host.updater().doctor())


@pytest.mark.parametrize("what", [".", "lib", "lib/names.txt"])
def test_a_checkout_of_root_that_others_may_write_is_named(git_host, what):
    """Root would work in what anybody puts there; deep in it doctor says so."""
    host = git_host(parent=0)
    for path in (host.live, *host.live.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    (host.live / what).chmod(0o777)
    assert any("every user may write" in finding.message for finding in host.updater().doctor())
    if what == ".":
        result = host.updater().update("app")
        assert result.outcome is Outcome.REFUSED, result
        assert "chmod o-w" in result.todo


KILLED = """
import json, os, signal, sys
from pathlib import Path
from fsm.system import faults
from tests.boundary.checkout import Host

def die(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

faults.install(die)
Host(Path(sys.argv[1]), **json.loads(sys.argv[3])).updater().update("app")
"""

FORWARD = (
    "places.made",
    "git.keep.kept",
    "git.apart.copy_made",
    "git.apart.handed_over",
    "git.apart.taken",
    "git.fetch.fetched",
    "git.save_local.recorded",
    "git.reset.done",
    "git.apart.tidied",
)
"""Where an update that succeeds is killed."""

BACKWARD = ("git.reset.taken_away", "git.apart.forgotten", "places.removed")
"""Where one that does not is killed."""


@pytest.mark.parametrize("parent", [USER, 0], ids=["the user's parent", "root's parent"])
@pytest.mark.parametrize("point", [*FORWARD, *BACKWARD])
def test_killed_and_resumed(git_host, point, parent):
    """The updater dies, and a later one goes on where it was: files are the user's, bundles are gone."""
    host = git_host(parent=parent, publish=False)
    host.publish("1.1.0", *(["BROKEN"] if point in BACKWARD else []))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(host.root), point, json.dumps({"parent": parent, **host.given})],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if point.startswith("places") and parent == USER:
        assert killed.returncode == 0, killed.stderr  # there is nothing for root to make
        return
    assert killed.returncode == -9, killed.stderr
    (result,) = host.updater().resume()
    assert result.outcome is (Outcome.ROLLED_BACK if point in BACKWARD else Outcome.DONE), result
    assert host.answer(0.5 if point in BACKWARD else 5) == (None if point in BACKWARD else "1.1.0")
    assert host.strangers() == []
    assert list((host.state / "staging").rglob("*.bundle")) == []
    unharmed(host)
