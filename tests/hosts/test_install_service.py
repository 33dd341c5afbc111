"""`fsm install-service` on a host with systemd: what it writes is valid and enabled; it goes away again; user units."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.hosts.machine import Machine
from tests.hosts.systemd_app import SystemdApp, wait_for

pytestmark = [
    pytest.mark.needs_linux,
    pytest.mark.needs_root,
    pytest.mark.needs_docker,
    pytest.mark.timeout(600),  # the first one of a machine makes the image
]

UNITS = ("fsm-resume.service", "fsm-check.service", "fsm-check.timer")


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine that the tests of this module share."""
    with Machine.start("install") as machine:
        yield machine


@pytest.fixture
def app(host: Machine) -> SystemdApp:
    """The app, with 1.0.0 running."""
    made = SystemdApp(host)
    made.install("1.0.0")
    return made


def test_the_units_are_valid_and_enabled(app: SystemdApp):
    """systemd itself finds nothing to say against them; called again, nothing is written; the doctor is content."""
    assert "fsm install-service" in app.fsm("doctor")
    said = app.fsm("install-service")
    assert [line.split("/")[-1] for line in said.splitlines()] == list(UNITS)
    done = app.host.try_run("systemd-analyze", "verify", *(f"/etc/systemd/system/{name}" for name in UNITS))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert app.show("UnitFileState", "fsm-resume.service") == "enabled"
    assert app.show("UnitFileState", "fsm-check.timer") == "enabled"
    assert app.show("ActiveState", "fsm-check.timer") == "active"
    assert "app.service" in app.show("Before", "fsm-resume.service").split()
    assert "network" not in app.show("After", "fsm-resume.service")
    before = app.host.run("stat", "-c", "%i %Y", "/etc/systemd/system/fsm-resume.service")
    assert app.fsm("install-service").count("unchanged ") == 3
    assert app.host.run("stat", "-c", "%i %Y", "/etc/systemd/system/fsm-resume.service") == before
    assert "ok      boot: fsm-resume.service resumes interrupted updates" in app.fsm("doctor")


def test_nothing_is_left(app: SystemdApp):
    """Removed, no link and no file is there, and removing twice is no error; what people added stays, and is said."""
    app.fsm("install-service")
    app.host.write("/etc/systemd/system/fsm-resume.service.d/own.conf", "[Service]\nNice=1\n")
    assert "has settings of your own and was kept" in app.fsm("install-service", "--remove")
    found = app.host.run("find", "/etc/systemd/system", "-name", "fsm-*")
    assert found == "/etc/systemd/system/fsm-resume.service.d"
    assert app.show("LoadState", "fsm-check.timer") == "not-found"
    assert "nothing to remove" in app.fsm("install-service", "--remove")


def test_a_dry_run_changes_nothing(app: SystemdApp):
    """It shows the texts, also to those who may not write them."""
    said = app.fsm("install-service", "--dry-run")
    assert "Type=notify" in said
    assert "Before=app.service" in said
    shown = json.loads(app.host.run("fsm", "install-service", "--dry-run", "--json"))["results"]
    assert [each["name"] for each in shown] == list(UNITS)
    assert app.show("LoadState", "fsm-resume.service") == "not-found"


def test_a_changed_configuration_is_noticed(app: SystemdApp):
    """The order of the boot is that of the configured units: the doctor says when it is not."""
    app.fsm("install-service")
    config = app.host.read("/etc/fsm/fsm.toml").decode()
    app.host.write("/etc/systemd/system/web.service", app.host.read("/etc/systemd/system/app.service"))
    app.host.write("/etc/fsm/fsm.toml", config.replace('unit = "app"', 'unit = "web"'))
    assert "fsm-resume.service: out of date for this configuration" in app.fsm("doctor")
    assert app.fsm("install-service").count("wrote ") == 1
    assert "web.service" in app.show("Before", "fsm-resume.service").split()
    app.host.run("rm", "/etc/systemd/system/web.service")


def test_what_is_not_ours_stays(app: SystemdApp):
    """A unit that somebody else wrote, or that is masked, is refused, and nothing is written."""
    app.host.write("/etc/systemd/system/fsm-check.service", "[Service]\nExecStart=/bin/true\n")
    assert "this command did not write" in app.fsm("install-service", code=20)
    app.host.run("systemctl", "mask", "--force", "fsm-resume.service")
    assert "it is masked; systemctl unmask fsm-resume.service" in app.fsm("install-service", code=20)
    app.fsm("install-service", "--remove")
    assert app.host.read("/etc/systemd/system/fsm-check.service").startswith(b"[Service]")
    app.host.run("systemctl", "unmask", "fsm-resume.service")
    app.host.run("rm", "/etc/systemd/system/fsm-check.service")


def test_an_image_that_is_being_built(app: SystemdApp):
    """Without a running systemd the units are written and enabled all the same; the next boot has them."""
    app.host.run("mkdir", "-p", "/srv/elsewhere")
    command = "mount --bind /srv/elsewhere /run/systemd && fsm install-service"
    said = app.host.run("unshare", "--mount", "sh", "-c", command)
    assert "systemd is not running" in said
    assert app.host.run("readlink", "/etc/systemd/system/multi-user.target.wants/fsm-resume.service")
    app.host.run("systemctl", "daemon-reload")
    assert app.show("UnitFileState", "fsm-resume.service") == "enabled"
    app.fsm("install-service", "--remove")


def test_the_check_runs(app: SystemdApp):
    """What the timer starts finds the release."""
    app.fsm("install-service")
    app.publish("1.1.0")
    app.host.run("systemctl", "start", "fsm-check.service")
    assert "1.0.0 -> 1.1.0 is available" in app.host.journal("-u", "fsm-check.service", lines=20)
    assert "1.1.0" in app.fsm("status")


def test_who_is_not_root(app: SystemdApp):
    """One line, and what to do."""
    app.host.try_run("useradd", "--create-home", "joe")
    done = app.host.try_run("su", "joe", "-c", "fsm install-service")
    assert done.returncode == 20
    assert done.stderr.strip().splitlines() == [
        "fsm: cannot install units of the system: the current user is joe, not root;"
        " run it as root, or use --user for units of this user"
    ]


def test_units_of_a_user(host: Machine):
    """An app of a user without root: updated, and resumed when that user's systemd starts again."""
    app = SystemdApp(host)
    host.try_run("useradd", "--create-home", "joe")
    user = host.run("id", "-u", "joe")
    # Without logind, which a container has no use for: the directory that it would make, and the manager itself.
    host.write("/etc/systemd/system/user-runtime-dir@.service.d/own.conf", RUNTIME)
    host.write("/etc/systemd/system/user@.service.d/own.conf", MANAGER)
    app.install("1.0.0", start=False)
    host.write("/srv/home/app.service", host.read("/etc/systemd/system/app.service").replace(b"multi-user", b"default"))
    host.run("sh", "-c", "rm /etc/systemd/system/app.service; systemctl daemon-reload; chown -R joe /srv")
    config = host.read("/etc/fsm/fsm.toml").decode().replace('unit = "app"', 'unit = "app", user = true')
    host.write("/etc/fsm/fsm.toml", config)
    host.run("systemctl", "start", f"user@{user}.service")
    as_joe(host, "mkdir -p ~/.config/systemd/user && cp /srv/home/app.service ~/.config/systemd/user/")
    as_joe(host, "systemctl --user daemon-reload && systemctl --user enable --now app.service")
    app.answers("1.0.0")
    said = as_joe(host, "fsm install-service --user")
    assert "loginctl enable-linger joe" in said
    as_joe(host, "systemd-analyze --user verify ~/.config/systemd/user/fsm-*")
    app.publish("1.1.0")
    assert "updated 1.0.0 -> 1.1.0" in as_joe(host, "fsm update app")
    app.answers("1.1.0")
    app.publish("1.2.0", "CRASHES")
    assert "this release crashes" in as_joe(host, "fsm update app || true")
    app.answers("1.1.0")
    app.publish("1.3.0")
    frozen = host.begin("su", "joe", "-c", "exec /opt/fsm/bin/python /srv/freeze.py exchange.done 1 update app")
    wait_for(lambda: host.try_run("test", "-e", "/tmp/frozen").returncode == 0, 30, lambda: "not frozen")
    host.kill()
    frozen.communicate(timeout=30)
    host.boot()
    host.run("systemctl", "start", f"user@{user}.service")
    app.answers("1.3.0")
    wait_for(lambda: " done " in as_joe(host, "fsm history --limit 1"), 30, lambda: as_joe(host, "fsm history"))
    assert "ok      boot" in as_joe(host, "fsm doctor")


RUNTIME = "[Service]\nExecStart=\nExecStart=/bin/sh -c 'install -d -m 700 -o %i /run/user/%i'\n"
MANAGER = "[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n"


def as_joe(host: Machine, command: str) -> str:
    """Run a shell command as that user, as it is without a session: no XDG_RUNTIME_DIR but where systemctl needs it."""
    runtime = f"XDG_RUNTIME_DIR=/run/user/{host.run('id', '-u', 'joe')}"
    given = command if command.startswith("fsm") else f"export {runtime}; {command}"
    return host.run("su", "joe", "-c", given, timeout=90)
