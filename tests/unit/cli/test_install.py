"""`fsm install-service` without systemd: a stand-in takes its calls. The real thing is in `tests/hosts`."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from fsm.adapter import Registry
from fsm.errors import ConfigError
from fsm.host.boot import installing, units
from fsm.host.config import load, parse
from fsm.system import trusted
from tests.unit.cli.conftest import Line
from tests.unit.services.conftest import stand_in

pytestmark = pytest.mark.needs_linux


class Systemd:
    """The stand-in, and where it would find units."""

    def __init__(self, root: Path) -> None:
        self.units = root / "units"
        self.folder = root / "unit"
        self.folder.mkdir()
        self.says()

    def says(self, **about: object) -> None:
        """What it answers."""
        (self.folder / "spec.json").write_text(json.dumps({"command": ["true"]} | about))
        (self.folder / "calls").write_text("")

    def calls(self) -> list[str]:
        """What it was asked for, but for questions."""
        return [line for line in (self.folder / "calls").read_text().splitlines() if not line.startswith("show")]

    def names(self) -> list[str]:
        """The units that are there."""
        return sorted(path.name for path in self.units.iterdir())


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """A systemd that runs, and that root asks."""
    made = Systemd(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    stand_in(programs / "systemctl")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("UNIT_DIR", str(made.folder))
    monkeypatch.setattr(installing, "SYSTEM", made.units)
    monkeypatch.setattr(installing, "RUNNING", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    # Whoever runs this owns the files, and is not the user that it is told here.
    monkeypatch.setattr(trusted, "doubt", lambda path, like_root=(), **more: None)
    return made


@pytest.mark.processes
def test_it_writes_and_enables(line: Line, systemd: Systemd):
    """Three units, in one step each; called again, nothing is written."""
    ended = line("install-service")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("wrote ") == 3
    assert systemd.names() == sorted(units.texts(_facts(line)))
    assert systemd.calls() == [
        "daemon-reload",
        "enable fsm-resume.service fsm-check.timer",
        "start fsm-check.timer",
    ]
    assert line("install-service").out.count("unchanged ") == 3
    (again,) = line("install-service", "--json").results
    assert (again["written"], len(again["unchanged"])) == ([], 3)


def _facts(line: Line) -> units.Facts:
    return installing._facts(load(line.path), line.path, False, 600.0)


@pytest.mark.processes
def test_it_takes_them_away(line: Line, systemd: Systemd):
    """And leaves what others put beside them."""
    line("install-service")
    (systemd.units / "fsm-resume.service.d").mkdir()
    ended = line("install-service", "--remove")
    assert ended.out.count("removed ") == 3
    assert "has settings of your own and was kept" in ended.out
    assert systemd.names() == ["fsm-resume.service.d"]
    assert systemd.calls()[3:] == [
        "disable fsm-resume.service fsm-check.timer",
        "stop fsm-check.timer",
        "daemon-reload",
    ]
    assert "nothing to remove" in line("install-service", "--remove").out


def test_a_dry_run_writes_nothing(line: Line, systemd: Systemd):
    """It shows the texts."""
    assert "Type=notify" in line("install-service", "--dry-run").out
    assert [each["name"] for each in line("install-service", "--dry-run", "--json").results] == list(
        units.texts(_facts(line))
    )
    assert not systemd.units.exists()
    assert line("install-service", "--dry-run", "--remove").code == 2


def test_who_is_not_root(line: Line, systemd: Systemd, monkeypatch: pytest.MonkeyPatch):
    """One line, and what to do."""
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    ended = line("install-service")
    assert ended.code == 20
    assert ended.err == (
        "fsm: cannot install units of the system: the current user is nobody, not root;"
        " run it as root, or use --user for units of this user\n"
    )
    assert line("install-service", "--remove").code == 20


@pytest.mark.processes
def test_units_of_a_user(line: Line, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """In the user's own directory; without lingering they end with the session."""
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam("nobody").pw_uid)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nothing"))
    ended = line("install-service", "--user")
    assert ended.code == 0, ended.err
    assert "loginctl enable-linger nobody" in ended.out
    assert "systemd is not running" in ended.out
    assert (tmp_path / "config/systemd/user/fsm-resume.service").is_file()
    assert systemd.calls() == ["enable fsm-resume.service fsm-check.timer"]


def test_what_is_not_ours_stays(line: Line, systemd: Systemd):
    """A file of somebody else, a link, a mask: refused, and nothing is written."""
    systemd.units.mkdir()
    other = systemd.units / "fsm-check.timer"
    other.write_text("[Timer]\n")
    assert "this command did not write" in line("install-service").err
    other.unlink()
    other.symlink_to("/dev/null")
    assert "it is masked; systemctl unmask fsm-check.timer" in line("install-service").err
    other.unlink()
    other.symlink_to("/somewhere/else")
    assert "it is a symbolic link to /somewhere/else" in line("install-service").err
    assert line("install-service", "--remove").code == 0
    assert systemd.names() == ["fsm-check.timer"]


@pytest.mark.processes
def test_systemd_refuses(line: Line, systemd: Systemd):
    """What it said is in the message; called again, the rest is done."""
    systemd.says(trigger_code=4)
    ended = line("install-service")
    assert ended.code == 20
    assert "cannot enable fsm-resume.service fsm-check.timer: systemctl exited with code 4" in ended.err
    systemd.says()
    assert line("install-service").code == 0


def test_a_directory_that_cannot_be_written(line: Line, systemd: Systemd):
    """The path is in the message."""
    systemd.units.write_text("no directory")
    ended = line("install-service")
    assert ended.code == 2
    assert str(systemd.units) in ended.err


def test_what_the_units_depend_on(line: Line, systemd: Systemd, monkeypatch: pytest.MonkeyPatch):
    """The managed units come after; where things lie must be mounted; the environment finds the same state."""
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    table = {
        **line.app_fixture.config["components"]["app"],
        "service": {"manager": "systemd", "unit": "web", "triggers": ["web.socket"]},
    }
    mine = {**table, "service": {"manager": "systemd", "unit": "mine", "user": True}}
    data = {"components": {"app": table, "mine": mine}, "fsm": {"check_interval_hours": 6.0}}
    config = parse(json.loads(json.dumps(data)), Registry.discover(), path=line.path)
    found = installing._facts(config, line.path, False, 60.0)
    assert found.before == ("web.service",)
    assert line.app_fixture.live in found.mounts
    assert line.path.parent in found.mounts
    assert found.environment["XDG_STATE_HOME"] == "/srv/state"
    assert found.hours == 6.0
    assert installing._facts(config, line.path, True, 60.0).before == ("mine.service",)


def test_resume_waits_for_the_file_systems_of_compose_projects(line: Line):
    """Those of each compose and env file, and of a service's project; a source is not waited for."""
    source = {"type": "directory", "path": "/mnt/nfs/releases", "allow_unsigned": True}
    files = {"compose_files": ["/mnt/a/web.yml", "/mnt/b/more.yml"], "env_file": ["/mnt/c/.env"]}
    shop = {"type": "container", "services": ["web"], "image": "acme/web", "source": source, **files}
    app = {
        "type": "git",
        "path": "/opt/app",
        "source": {"type": "git", "url": "/mnt/nfs/app.git", "branch": "main", "allow_unsigned": True},
        "services": {"agent": {"manager": "compose", "cwd": "/mnt/d/agent"}},
    }
    config = parse({"components": {"shop": shop, "app": app}}, Registry.discover(), path=line.path)
    found = {str(path) for path in installing._facts(config, line.path, False, 60.0).mounts}
    assert {each for each in found if each.startswith(("/mnt", "/opt"))} == {
        "/mnt/a/web.yml",
        "/mnt/b/more.yml",
        "/mnt/c/.env",
        "/mnt/d/agent",
        "/opt/app",
    }


def test_a_configuration_in_memory_has_no_units(line: Line):
    """A unit must be able to name it."""
    config = parse(line.app_fixture.config, Registry.discover(), base=line.app_fixture.root)
    with pytest.raises(ConfigError, match="the configuration is not a file"):
        installing.Installer(config, user=False)


@pytest.mark.processes
def test_the_doctor_looks_after_it(line: Line, systemd: Systemd):
    """Not installed, not enabled, not what it would be now, and as it should be."""
    line("install-service", "--remove")
    assert "nothing resumes interrupted updates after a reboot; run `fsm install-service" in line("doctor").out
    line("install-service")
    assert "boot: fsm-resume.service resumes interrupted updates" in line("doctor").out
    line("install-service", "--within", "30")  # nobody's business but the operator's
    assert "boot: fsm-resume.service resumes interrupted updates" in line("doctor").out
    systemd.says(properties={"UnitFileState": "disabled"})
    assert "fsm-resume.service is installed, but disabled" in line("doctor").out
    systemd.says()
    resume = systemd.units / "fsm-resume.service"
    resume.write_text(resume.read_text().replace("[Install]", "Nice=1\n[Install]"))
    assert "fsm-resume.service: out of date for this configuration" in line("doctor").out
    systemd.says(broken="Failed to connect to bus")
    assert "boot: cannot ask systemd about fsm-resume.service: Failed to connect to bus" in line("doctor").out
