"""`fsm doctor`: what it finds, and that it finds it when other things are broken as well."""

from __future__ import annotations

import os
import stat
from collections import namedtuple
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Adapter, Finding, Installed, Registry
from fsm.engine.journal import Journal, Kind, Record
from fsm.engine.locks import ComponentLock
from fsm.errors import Refused
from fsm.host import doctor
from fsm.host.config import Config, load
from fsm.lifecycle import State
from fsm.updater import Updater
from tests.unit.cli.conftest import Line, damage, interrupted, sql


def _find(findings: Sequence[Finding], subject: str, text: str) -> Finding:
    (found,) = [each for each in findings if each.subject == subject and text in each.message]
    return found


def _examine(line: Line, **options: Any) -> list[Finding]:
    return doctor.examine(load(line.path), Registry.discover(), **options)


def test_a_healthy_host(updated: Line):
    """Nothing but ok, exit code 0, and nothing left behind."""
    updated("update")
    before = sorted(updated.app_fixture.state.iterdir())
    ended = updated("doctor")
    assert ended.code == 0, ended.out
    assert ended.out.endswith("no problems found\n") or "warning" in ended.out
    assert " error " not in ended.out
    assert f"ok      configuration: 1 component in {updated.path}" in ended.out
    assert "ok      journal: " in ended.out
    assert sorted(updated.app_fixture.state.iterdir()) == before
    levels = {finding["level"] for finding in updated("doctor", "--json").results}
    assert levels <= {"ok", "warning"}


def test_without_a_configuration(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The host is examined all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FSM_CONFIG", raising=False)
    monkeypatch.setattr("fsm.host.places.SYSTEM", tmp_path / "none.toml")
    ended = line.bare("doctor")
    assert ended.code == 40
    assert "error   configuration: there is no configuration: " in ended.out
    assert "\nok      journal: there is none yet\n" in ended.out
    assert "1 error, 0 warnings" in ended.out


def test_with_a_broken_configuration(line: Line):
    """The same, with what is wrong."""
    line.path.write_text("[fsm]\njobs = 0\n")
    ended = line("doctor", "--json")
    assert ended.code == 40
    assert ended.results[0]["level"] == "error"
    assert f"{line.path}:2:1: fsm.jobs: must be" in ended.results[0]["message"]
    assert {"state directory", "clock"} <= {finding["subject"] for finding in ended.results}


def test_a_damaged_journal_hides_nothing_else(updated: Line):
    """What to do is said, and the rest is examined."""
    updated("update")
    damage(updated.app_fixture.state / "journal.db")
    ended = updated("doctor")
    assert ended.code == 40
    assert "error   journal: cannot open the journal" in ended.out
    assert "fsm doctor --set-aside-journal" in ended.out
    assert "version 1.1.0 is installed" in ended.out


@pytest.mark.processes
def test_a_journal_with_damaged_pages(updated: Line):
    """SQLite's own check is asked."""
    updated("update")
    sql(updated, "PRAGMA wal_checkpoint(TRUNCATE)")
    journal = updated.app_fixture.state / "journal.db"
    with journal.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 4))
    assert next(each for each in _examine(updated) if each.subject == "journal").level == "error"


@pytest.mark.processes
def test_a_journal_with_an_edited_row(updated: Line):
    """The chain of hashes is verified."""
    updated("update")
    sql(updated, "DROP TRIGGER log_is_append_only_update; UPDATE log SET data='{}' WHERE seq=3")
    found = _find(_examine(updated), "journal", "its rows were changed after they were written")
    assert found.level == "error"
    assert "row 3 was edited" in found.message


@pytest.mark.processes
def test_an_interrupted_run_is_a_warning_with_its_command(updated: Line):
    """Or, while somebody works on it, nothing to worry about."""
    interrupted(updated)
    found = _find(_examine(updated), "app", "run 1 is interrupted in the state updating")
    assert (found.level, found.todo) == ("warning", "run `fsm resume app`")
    with ComponentLock(updated.app_fixture.state, "app"):
        assert _find(_examine(updated), "app", "run 1 is in the state updating, driven by process").level == "ok"


@pytest.mark.processes
def test_a_run_that_cannot_be_continued_is_an_error(updated: Line):
    """Found before somebody tries."""
    interrupted(updated)
    sql(updated, "UPDATE plan SET text = replace(text, '\"unpack\"', '\"unwrap\"')")
    found = _find(_examine(updated), "app", "run 1 is interrupted, cannot continue the run")
    assert found.level == "error"
    assert "install the version of fsm-updater" in found.todo


def test_a_run_without_a_plan_can_be_continued(updated: Line):
    """It was killed while it was checking."""
    with Journal(updated.app_fixture.state / "journal.db") as journal:
        journal.begin("app", "python_app")
    assert _find(_examine(updated), "app", "run 1 is interrupted in the state checking").level == "warning"


def test_a_failed_run_is_an_error_until_a_newer_one(updated: Line):
    """What runs there is unknown."""
    with Journal(updated.app_fixture.state / "journal.db") as journal:
        run = journal.begin("app", "python_app")
        changes: dict[str, Any] = {"state": State.FAILED, "reason": "it is stuck", "todo": "look at it"}
        journal.write(run, [Record(Kind.ENDED)], ended=True, **changes)
    found = _find(_examine(updated), "app", "run 1 failed: it is stuck")
    assert (found.level, found.todo) == ("error", "look at it")
    updated("update")
    assert not [each for each in _examine(updated) if "run 1 failed" in each.message]


def test_a_clock_that_was_never_set(updated: Line):
    """1970 is an error; a moment before the newest entry a warning."""
    updated("update")
    found = _examine(updated, now=datetime(1970, 1, 1, tzinfo=UTC))
    assert _find(found, "clock", "it shows 1970-01-01 00:00 UTC, which is long ago").level == "error"
    found = _examine(updated, now=datetime.now(UTC) - timedelta(hours=3))
    assert _find(found, "clock", "but the journal has an entry of").level == "warning"


def test_a_place_that_others_may_write_is_an_error(updated: Line):
    """Whoever can write the configuration, or the state, decides what runs here."""
    config = load(updated.path)
    updated.path.chmod(0o666)
    found = _find(doctor.examine(config, Registry.discover()), "permissions", "every user of this host can write")
    assert (found.level, found.todo) == ("error", f"chmod o-w {updated.path}")
    updated.path.chmod(0o644)
    updated.app_fixture.state.mkdir()
    assert not [each for each in _examine(updated) if "can write" in each.message]
    updated.app_fixture.state.chmod(0o1777)
    (updated.app_fixture.state / "something").touch()
    found = _find(_examine(updated), "state directory", "others may write to")
    assert (found.level, found.todo.split(",")[0]) == ("error", f"`chmod go-w {updated.app_fixture.state}`")


@pytest.mark.needs_root
def test_a_state_that_somebody_else_could_exchange(updated: Line):
    """Found before an update is refused."""
    updated.app_fixture.state.mkdir()
    os.chown(updated.app_fixture.state, 4242, 4242)
    found = _find(_examine(updated), "state directory", "state belongs to user 4242, and so decide what is done")
    assert found.level == "error"


@pytest.mark.needs_root
def test_as_another_user(updated: Line):
    """What belongs to root cannot be updated by others: that is found before an update fails."""
    updated("update")
    for place in (updated.app_fixture.root, *updated.app_fixture.root.parents):
        if stat.S_IMODE(place.stat().st_mode) & 0o005 != 0o005 and place.is_relative_to("/tmp"):
            place.chmod(0o755)
    updated.path.chmod(0o644)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - the child writes what it finds and ends
        try:
            os.setuid(65534)
            found = _examine(updated)
            os.write(write, "\n".join(f"{each.level} {each.subject}: {each.message}" for each in found).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert f"warning permissions: {updated.path} belongs to user 0, the current user is 65534" in text
    assert "ok permissions: runs as user 65534, without root" in text
    assert f"error state directory: {updated.app_fixture.state} is not writable by this user" in text
    assert f"error journal: cannot tell the state of this host: {updated.app_fixture.state} belongs to root" in text
    assert "error app: " in text


def test_a_state_directory_that_is_a_file(line: Line):
    """Said as it is."""
    line.app_fixture.state.write_text("")
    found = _find(_examine(line), "state directory", "is not a directory")
    assert found.level == "error"


@pytest.mark.needs_linux
@pytest.mark.parametrize(
    ("kind", "level", "text"),
    [("nfs4", "error", "a network file system"), ("tmpfs", "warning", "a reboot would"), ("ext4", "ok", "is writable")],
)
def test_the_file_system_of_the_state_directory(
    kind: str, level: str, text: str, line: Line, monkeypatch: pytest.MonkeyPatch
):
    """The journal needs a local one that lasts."""
    line.app_fixture.state.mkdir()
    monkeypatch.setattr(doctor, "filesystem", lambda path: kind)
    assert _find(_examine(line), "state directory", text).level == level


@pytest.mark.needs_linux
def test_file_systems_are_told_apart():
    """The longest mount point counts; where the system does not tell, None."""
    assert doctor.filesystem(Path("/proc/self")) == "proc"
    assert doctor.filesystem(Path("/sys/kernel")) == "sysfs"
    assert doctor.filesystem(Path("/")) not in ("proc", "sysfs", None)


def test_a_system_without_mountinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As on macOS: unknown is no reason to complain."""
    monkeypatch.setattr(doctor, "MOUNTINFO", tmp_path / "none")
    assert doctor.filesystem(tmp_path) is None


@pytest.mark.parametrize(("mebi", "level"), [(1, "error"), (100, "warning"), (1000, "ok")])
def test_disk_space(mebi: int, level: str, line: Line, monkeypatch: pytest.MonkeyPatch):
    """Little is a warning, nearly nothing an error."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, mebi << 20))
    assert _find(_examine(line), "disk", f"{mebi} MiB free").level == level


def test_few_inodes(line: Line, monkeypatch: pytest.MonkeyPatch):
    """Bytes are not all that a disk can run out of."""
    line.app_fixture.state.mkdir()
    status = namedtuple("status", "f_files f_favail f_frsize f_blocks f_bfree f_bavail")
    monkeypatch.setattr(os, "statvfs", lambda path: status(1_000_000, 12, 1 << 20, 1 << 20, 1 << 20, 1 << 20))
    assert _find(_examine(line), "disk", "only 12 more files").level == "warning"


def test_a_system_without_users_and_inodes(line: Line, monkeypatch: pytest.MonkeyPatch):
    """As on Windows: what cannot be asked is left out."""
    line.app_fixture.state.mkdir()
    monkeypatch.delattr(os, "statvfs")
    monkeypatch.setattr("fsm.system.files.disk_free", lambda path: 1 << 40)
    config = load(line.path)
    monkeypatch.delattr(os, "geteuid")
    found = doctor.examine(config, Registry.discover())
    assert not [each for each in found if each.subject == "permissions"]


def _with_service(line: Line, status: str) -> None:
    service = {"manager": "command", "start": ["/bin/true"], "stop": ["/bin/true"], "status": ["/bin/sh", "-c", status]}
    line.configure(app=line.another("x", install_path=str(line.app_fixture.live), service=service))


@pytest.mark.processes
@pytest.mark.parametrize(
    ("status", "level", "text"),
    [("exit 0", "ok", "is active"), ("exit 3", "warning", "is not active"), ("exit 9", "error", "exited with code 9")],
)
def test_services_are_asked(status: str, level: str, text: str, updated: Line):
    """Whether they run, and whether there is any telling."""
    _with_service(updated, status)
    messages = [each for each in _examine(updated) if each.subject == "app" and text in each.message]
    assert level in {each.level for each in messages}


@pytest.mark.processes
def test_a_service_of_what_is_not_installed_need_not_run(line: Line):
    """It comes with the first update, and is not asked before."""
    _with_service(line, "exit 9")
    assert not [each for each in _examine(line) if "its service" in each.message]


def test_a_component_without_a_source(updated: Line):
    """It can only go back."""
    updated.configure(lib=updated.another("lib", source=None))
    assert _find(_examine(updated), "lib", "it has no source").level == "warning"


class _Clumsy(Adapter[Any, Installed]):
    """An adapter whose examination fails."""

    component_type = "python_app"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def inspect(self, target: Any, spec: Any) -> Installed:
        raise self.error

    def draft(self, *args: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("x"), "its examination failed: KeyError: 'x'"),
        (PermissionError(13, "Permission denied"), "cannot be examined: [Errno 13] Permission denied"),
        (Refused("cannot look", "it is dark", "enable"), "cannot look: it is dark"),
        (Refused("cannot look"), "cannot look"),
    ],
)
def test_an_adapter_that_fails_is_a_finding(error: Exception, message: str, updated: Line):
    """A third party's bug does not end the examination."""
    found = doctor.examine(load(updated.path), Registry.of(_Clumsy(error)))
    assert [each.level for each in found if each.subject == "app" and each.message == message] == ["error"]


def test_a_configuration_in_memory(tmp_path: Path):
    """As programs make it."""
    found = doctor.examine(Config(state_dir=tmp_path / "state"), Registry.of())
    assert found[0].message == "0 components in memory"
    assert "does not exist yet" in _find(found, "state directory", "").message


def test_the_library_says_the_same(updated: Line):
    """`Updater.doctor` is what the command prints."""
    found = Updater.from_config(updated.path).doctor()
    assert {each.subject for each in found} >= {"app", "journal", "clock"}
