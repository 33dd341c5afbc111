"""The power goes while git itself writes: the updater and its git die together, in the middle of a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from tests.git_fixture import GitFixture

ROOT = Path(__file__).resolve().parents[2]

UPDATE = """
import json, sys
from pathlib import Path
from tests.git_fixture import GitFixture
GitFixture(Path(sys.argv[1]), **json.loads(sys.argv[2])).updater().update("app")
"""

HALF_A_RESET = """#!/bin/sh
case "$*" in *" reset --hard "*)
  cd {live}
  : > .git/index.lock
  echo 1.1.0 > VERSION
  mkdir -p new; printf half > new/file
  rm -f lib/same.txt
  kill -9 $PPID
  kill -9 $$
esac
exec /usr/bin/git "$@"
"""

HALF_A_FETCH = """#!/bin/sh
case "$*" in *" fetch "*)
  cd {live}
  printf half > .git/objects/pack/tmp_pack_abcdef
  mkdir -p .git/refs/fsm/app/runs; : > .git/refs/fsm/app/runs/1.lock
  : > .git/shallow.lock
  kill -9 $PPID
  kill -9 $$
esac
exec /usr/bin/git "$@"
"""


@pytest.fixture
def app_fixture(made):
    """1.1.0 adds a file in a new directory, takes one away and changes another."""
    app_fixture = made(publish=False)
    app_fixture.publish("1.1.0", extra={"new/file": b"the whole file\n", "lib/same.txt": None})
    return app_fixture


def die(app_fixture: GitFixture, script: str, **given: Any) -> None:
    """Update in a process that dies together with its git, where the script says."""
    folder = app_fixture.root / "dying"
    folder.mkdir()
    wrapper = folder / "git"
    wrapper.write_text(script.format(live=app_fixture.live))
    wrapper.chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", UPDATE, str(app_fixture.root), json.dumps(given)],
        cwd=ROOT,
        env=environ,
        check=False,
        timeout=60,
    )
    assert done.returncode == -9


@pytest.mark.parametrize("script", [HALF_A_FETCH, HALF_A_RESET], ids=["fetch", "reset"])
def test_a_resume_goes_on_from_half_of_it(app_fixture, script):
    """The lock is nobody's any more; what was half written is written."""
    die(app_fixture, script)
    (result,) = app_fixture.updater().resume()
    assert result.outcome is Outcome.DONE, result.headline
    assert app_fixture.answer() == "1.1.0"
    assert app_fixture.is_clean("1.1.0")
    assert any(".lock" in note for note in result.notes)


@pytest.mark.parametrize("script", [HALF_A_FETCH, HALF_A_RESET], ids=["fetch", "reset"])
def test_a_cancel_puts_everything_back_from_half_of_it(app_fixture, script):
    """Nothing of the new commit is left, and the old one is whole."""
    before = app_fixture.inventory()
    die(app_fixture, script)
    assert app_fixture.updater().cancel("app").outcome in (Outcome.ROLLED_BACK, Outcome.REFUSED)
    assert app_fixture.answer() == "1.0.0"
    assert not before.compare(app_fixture.inventory())
    assert app_fixture.refs() == []
    for lock in (app_fixture.live / ".git").rglob("*.lock"):
        lock.unlink()
    assert app_fixture.is_clean("1.0.0")


NO_DROPPING = """#!/bin/sh
case "$*" in *" update-ref -d "*) exit 1; esac
exec /usr/bin/git "$@"
"""


def test_a_commit_that_cannot_be_forgotten_is_said(app_fixture, monkeypatch):
    """An update that works says what stays behind, and the next one removes it."""
    folder = app_fixture.root / "refusing"
    folder.mkdir()
    (folder / "git").write_text(NO_DROPPING)
    (folder / "git").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.DONE, result.headline
    assert any(
        "could not remove everything that is no longer needed: cannot drop refs/fsm/" in note for note in result.notes
    )
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert not [ref for ref in app_fixture.refs() if "/runs/" in ref]


HALF_A_DROPPED_REF = """#!/bin/sh
case "$*" in *" update-ref -d refs/{name}"*)
  : > {live}/.git/refs/{name}.lock
  kill -9 $PPID
  kill -9 $$
esac
exec /usr/bin/git "$@"
"""

BY_TAGS = {"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "v*"}


@pytest.mark.parametrize("name", ["tags/v1.1.0", "fsm/app/runs/1"])
def test_a_way_back_goes_on_from_half_a_dropped_ref(made, name):
    """The lock of a ref that the rollback removes is in nobody's way, and nobody has to remove it."""
    app_fixture = made(publish=False, source=BY_TAGS)
    app_fixture.publish("1.1.0", "BROKEN")
    die(app_fixture, HALF_A_DROPPED_REF.replace("{name}", name), source=BY_TAGS)
    (result,) = GitFixture(app_fixture.root, source=BY_TAGS).updater().resume()
    assert result.outcome is Outcome.ROLLED_BACK, result.headline
    assert app_fixture.answer() == "1.0.0"
    assert app_fixture.refs() == []
    assert app_fixture.is_clean("1.0.0")
