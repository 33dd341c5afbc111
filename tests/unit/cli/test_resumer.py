"""`fsm resume` of a frozen plan, whatever has become of the configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fsm.cli.codes import Code
from fsm.engine.scheduling import JOBS
from fsm.host import config
from fsm.host.resumer import Resumer
from fsm.lifecycle import State
from tests.unit.cli.conftest import Line, interrupted

pytestmark = pytest.mark.processes


def spoil(line: Line) -> None:
    """Somebody edits the file before the reboot, and mistypes a key."""
    line.path.write_text(line.path.read_text().replace("install_path", "instal_path"))


def test_a_mistake_in_the_configuration_leaves_no_host_half_updated(updated: Line):
    """The plan is in the journal, whole."""
    interrupted(updated, at="exchange")
    spoil(updated)
    assert updated("check").code == Code.USAGE
    ended = updated("resume")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("app: updated 1.0.0 -> 1.1.0")
    assert updated.app_fixture.version() == "1.1.0"


def test_a_run_that_has_no_plan_yet_says_what_is_wrong(updated: Line):
    """It was interrupted in `checking`, which needs the configuration; nothing was touched."""
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom fsm.updater import Updater\n"
        "from fsm.host.checking import Checking\n"
        "Checking.plan = lambda *args, **named: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Updater.from_config(Path({str(updated.path)!r})).update('app')\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == -9
    spoil(updated)
    ended = updated("resume", "--json")
    assert ended.code == Code.REFUSED
    assert "instal_path" in ended.results[0]["reason"]
    assert updated.app_fixture.version() == "1.0.0"


def test_a_name_that_nothing_has_is_refused(updated: Line):
    """Only then the configuration is asked for its components."""
    interrupted(updated)
    assert updated("resume", "ap").code == Code.USAGE


def test_a_file_that_is_no_toml_is_told_with_its_place(updated: Line):
    """Nobody can say where the journal is."""
    interrupted(updated)
    updated.path.write_text("[fsm\n")
    ended = updated("resume")
    assert ended.code == Code.USAGE
    assert "line 1" in ended.err


def test_numbers_that_drive_runs_are_those_of_the_configuration(updated: Line):
    """Deadlines and jobs; the latter has the same default in both places."""
    assert config.Settings().jobs == JOBS
    text = updated.path.read_text()
    for table, jobs, deadlines in (
        ("", JOBS, {}),
        ("jobs = 3\n", 3, {}),
        ("deadlines = {updating = 7.0}\n", JOBS, {State.UPDATING: 7.0}),
    ):
        updated.path.write_text(text.replace("[fsm]\n", f"[fsm]\n{table}"))
        settings = Resumer(updated.path)._host.config.settings
        assert (settings.jobs, settings.deadlines) == (jobs, deadlines)
