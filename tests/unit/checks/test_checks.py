"""The checks that measure once."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Backup, CommandResult, Installed
from fsm.errors import CommandFailed, DeadlineExceeded, Interrupted, StepFailed
from fsm.model import Version
from fsm.system.shell import Shell
from tests.unit.checks.conftest import Perform, Runner

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_free_space_is_measured_where_the_component_will_be(check: Perform, tmp_path: Path):
    """What is free and what is needed are both told; a directory that is still missing counts as its parent."""
    free = shutil.disk_usage(tmp_path).free // (1024 * 1024)
    good = check("disk_space", {"path": tmp_path / "not" / "yet"}, minimum_mb=1)
    assert good.ok
    assert f" MiB free at {tmp_path}, 1 MiB needed" in good.message
    bad = check("disk_space", minimum_mb=free * 2 + 1)
    assert not bad.ok
    assert f"{free * 2 + 1} MiB needed" in bad.message


def test_space_that_cannot_be_measured_is_no_space(check: Perform, monkeypatch: pytest.MonkeyPatch):
    """A file system that does not answer passes no check."""

    def broken(path: Path) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    outcome = check("disk_space", minimum_mb=1)
    assert not outcome.ok
    assert "stale file handle" in outcome.message


def backup(path: Path, age: timedelta | str, version: str | None = "1.0") -> Backup:
    """A backup of some age, or with another idea of its time."""
    made = age if isinstance(age, str) else (NOW - age).isoformat()
    return Backup(version=Version(version) if version else None, path=path, run_id=1, made_at=made)


@pytest.mark.parametrize(
    ("age", "limit", "ok", "told"),
    [
        (timedelta(hours=2), None, True, "1 there, the newest: backup of 1.0"),
        (timedelta(hours=2), 3, True, "2.0 h old"),
        (timedelta(hours=4), 3, False, "none is known to be at most 3 h old"),
        (timedelta(hours=-1), 3, False, "made in the future by this clock"),
        ("2026-03-01T11:30:00", 3, True, "0.5 h old"),
        ("some day", 3, False, "of unknown age"),
        ("some day", None, True, "of unknown age"),
    ],
    ids=["any", "young", "old", "clock set back", "without a zone", "no date", "no date, any"],
)
def test_a_backup_has_an_age(
    check: Perform, tmp_path: Path, age: timedelta | str, limit: float | None, ok: bool, told: str
):
    """Old ones, ones from the future and ones of unknown age do not pass an age limit."""
    parts = {"backups": lambda: [backup(tmp_path, age)], "now": lambda: NOW}
    outcome = check("backup_exists", parts, **({} if limit is None else {"max_age_hours": limit}))
    assert (outcome.ok, told in outcome.message) == (ok, True), outcome.message


def test_a_backup_must_be_there(check: Perform, tmp_path: Path):
    """A list entry whose files are gone is no backup; the others count, also behind an unusable one."""
    gone = backup(tmp_path / "gone", timedelta(hours=1))
    assert check("backup_exists").message == "there is no backup"
    assert not check("backup_exists", {"backups": lambda: [gone]}).ok
    kept = [gone, backup(tmp_path, timedelta(-1), None), backup(tmp_path, timedelta(hours=1))]
    assert check("backup_exists", {"backups": lambda: kept, "now": lambda: NOW}, max_age_hours=2).ok


@pytest.mark.parametrize(
    ("installed", "options", "ok", "message"),
    [
        ("1.4.0", {"expected_version": "v1.4"}, True, "1.4.0 is installed"),
        ("1.4.0", {}, True, "1.4.0 is installed"),
        ("1.3", {"expected_version": "1.4"}, False, "1.3 is installed, not 1.4"),
        ("1.4.0", {"expected_version": "1.5"}, False, "1.4.0 is installed, not 1.5"),
        (None, {}, False, "the installed version is unknown: no VERSION file"),
    ],
)
def test_versions_are_compared_as_versions(
    check: Perform, installed: str | None, options: dict[str, str], ok: bool, message: str
):
    """The check's own version, else the release's; unknown stays unknown."""
    found = Installed(version=Version.parse(installed), why_unknown="" if installed else "no VERSION file")
    outcome = check("version_check", {"installed": lambda: found, "expected": Version("1.4.0")}, **options)
    assert (outcome.ok, outcome.message) == (ok, message)


def test_a_version_without_another_one_is_not_compared(check: Perform):
    """With nothing to compare with, or nothing known and no reason told, the check has not passed."""
    outcome = check("version_check", {"installed": lambda: Installed(version=Version("1.0"))})
    assert (outcome.ok, outcome.message) == (False, "1.0 is installed, and there is no version to compare it with")
    assert check("version_check").message == "the installed version is unknown: no reason given"


@pytest.mark.processes
@pytest.mark.needs_linux
def test_a_command_decides_by_its_exit_code(check: Perform, tmp_path: Path):
    """The words of a program mean nothing; its code and last line are told; it runs where the component lives."""
    shell = AsUser()
    for code in (0, 3):
        outcome = check("command", {"runner": shell}, argv=["sh", "-c", f"echo error in $PWD; echo; exit {code}"])
        assert (outcome.ok, outcome.message) == (code == 0, f"sh exited with code {code}: error in {tmp_path}")
    assert (
        check("command", {"runner": shell, "path": tmp_path / "gone"}, argv=["true"]).message
        == "true exited with code 0"
    )
    missing = check("command", {"runner": shell}, argv=["no-such-program"])
    assert not missing.ok
    assert "it is not in any directory of PATH" in missing.message
    slow = check("command", {"runner": shell}, argv=["sleep", "60"], timeout_seconds=0.2)
    assert not slow.ok
    assert "it was still running after 0.2 s" in slow.message


class AsUser(Runner):
    """A runner for what must run as the component's user: the program may lie where that user writes."""

    def run(self, argv: Any, *, as_user: bool = False, **options: Any) -> CommandResult:
        """Run it."""
        assert as_user
        return Shell(marker=uuid.uuid4().hex, record=lambda child: None, poll=self.check).run(argv, **options)


class Failing(Runner):
    """A runner whose commands fail."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def run(self, *arguments: object, **options: object) -> object:  # type: ignore[override]  # it only raises
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "remaining", "raised"),
    [
        (StepFailed("cannot"), 10.0, False),
        (CommandFailed("cannot"), 10.0, False),
        (DeadlineExceeded("cannot"), 10.0, False),
        (DeadlineExceeded("cannot"), 0.0, True),
        (Interrupted("stop"), 10.0, True),
    ],
)
def test_a_failure_is_an_outcome_and_a_stop_is_not(
    check: Perform, error: BaseException, remaining: float, raised: bool
):
    """What concerns the component is an outcome; what concerns the run comes through."""
    parts = {"runner": Failing(error), "remaining": lambda: remaining}
    if raised:
        with pytest.raises(type(error)):
            check("command", parts, argv=["true"])
    else:
        assert not check("command", parts, argv=["true"]).ok
