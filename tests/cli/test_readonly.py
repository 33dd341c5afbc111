"""Who may not write to the state directory is told everything all the same; only what changes something is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.app_fixture import AppFixture
from tests.cli.conftest import Host

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_tmpfs]

ROOT: Final = Path(__file__).resolve().parents[2]
READONLY: Final = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


def fsm(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the state directory is mounted read-only."""
    command = [sys.executable, "-m", "fsm", "--config", str(host.path), *words]
    argv = ["unshare", "--mount", "sh", "-c", READONLY, "sh", str(host.app_fixture.state), *command]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def offered(host: Host) -> Host:
    """A host with a journal, on which a newer release is offered."""
    app_fixture: AppFixture = host.app_fixture
    assert host.fsm("check", "app") == 0
    app_fixture.publish("1.2.0")
    return host


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan", "app"), "1.0.0 -> 1.2.0"),
        (("update", "app", "--dry-run"), "1.0.0 -> 1.2.0"),
        (("check", "app"), "1.1.0 is available"),
        (("check", "app", "--force"), "1.2.0 is available"),
        (("status",), "1.1.0 (new)"),
        (("history",), ""),
        (("doctor",), "state"),
    ],
)
def test_what_changes_nothing_needs_no_permission(offered: Host, words: tuple[str, ...], says: str):
    """A plan, a check and reports answer; what a check found is not kept."""
    before = {path: path.stat().st_mtime_ns for path in offered.app_fixture.state.iterdir()}
    done = fsm(offered, *words)
    assert says in done.stdout + done.stderr
    assert done.returncode == 0 or words == ("doctor",), done.stderr
    assert {path: path.stat().st_mtime_ns for path in offered.app_fixture.state.iterdir()} == before


def test_an_update_says_why_it_cannot(offered: Host):
    """One line with three parts, before anything is touched."""
    done = fsm(offered, "update", "app", "--json")
    assert done.returncode == 40
    assert len(done.stderr.splitlines()) == 1
    assert "state_dir" in json.loads(done.stdout)["error"]["todo"]
    assert offered.app_fixture.version() == "1.0.0"
