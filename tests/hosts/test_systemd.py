"""The manager `systemd` on a host that systemd has booted: updates, broken releases, loops, changed units."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.machine import Machine
from tests.hosts.systemd_app import UNIT, SystemdApp

pytestmark = [
    pytest.mark.needs_linux,
    pytest.mark.needs_root,
    pytest.mark.needs_docker,
    pytest.mark.timeout(600),  # the first one of a machine makes the image
]


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine that the tests of this module share."""
    with Machine.start("unit") as machine:
        yield machine


@pytest.fixture
def app(host: Machine) -> SystemdApp:
    """The app, with 1.0.0 running."""
    made = SystemdApp(host)
    made.install("1.0.0")
    return made


def test_an_update(app: SystemdApp):
    """The unit runs the new version, its user's files are what they were."""
    app.publish("1.1.0")
    assert "updated 1.0.0 -> 1.1.0" in app.fsm("update", "app")
    app.judge("1.1.0", "done")


def test_a_release_that_does_not_work(app: SystemdApp):
    """It is rolled back, and the unit runs the old version."""
    app.publish("1.1.0", "BROKEN", "WRITES")
    assert "this release is broken" in app.fsm("update", "app", code=30)
    app.judge("1.0.0", "rolled_back")


def test_a_release_that_crashes(app: SystemdApp):
    """What it wrote to systemd's journal is in the report; the start limit that it used up is not the old version's."""
    app.host.write("/etc/systemd/system/app.service.d/limit.conf", "[Unit]\nStartLimitBurst=2\n")
    app.publish("1.1.0", "CRASHES")
    app.fsm("update", "app", code=30)
    app.judge("1.0.0", "rolled_back")
    assert "this release crashes" in app.last()["reason"]


def test_a_release_that_dies_after_a_moment(app: SystemdApp):
    """It answers, and systemd starts it again and again: it is never taken for active."""
    app.publish("1.1.0", "DIES")
    app.fsm("update", "app", code=30)
    app.judge("1.0.0", "rolled_back")
    assert "this release dies" in app.last()["reason"]


def test_a_unit_in_a_restart_loop_is_not_active(app: SystemdApp):
    """Also in the moments in which `systemctl is-active` says that it is."""
    app.host.write("/srv/app/DIES", "")
    app.host.write("/etc/systemd/system/app.service.d/limit.conf", "[Unit]\nStartLimitIntervalSec=0\n")
    app.host.run("systemctl", "daemon-reload")
    app.host.run("systemctl", "restart", "app.service")
    asked = app.host.run("/opt/fsm/bin/python", "-c", ASKING, timeout=60).splitlines()
    assert "active" in asked, asked  # what systemctl said
    assert "True" not in asked, asked  # what we say
    assert int(app.show("NRestarts")) > 3


ASKING = """\
import subprocess, time
from pathlib import Path
from fsm.services import SystemdSpec, open_service
service = open_service(SystemdSpec(manager="systemd", unit="app"), name="app", state_dir=Path("/var/lib/fsm"))
time.sleep(1)
for _ in range(40):
    print(subprocess.run(["systemctl", "is-active", "app"], capture_output=True, text=True).stdout.strip())
    print(service.status().active)
    time.sleep(0.05)
"""


def test_a_changed_unit_is_read_again(app: SystemdApp):
    """A unit file that was changed on the disk is what is started."""
    changed = UNIT.format(target="multi-user.target").replace("[Service]", "[Service]\nEnvironment=CHANGED=yes")
    app.host.write("/etc/systemd/system/app.service", changed)
    assert app.show("NeedDaemonReload") == "yes"
    app.publish("1.1.0")
    app.fsm("update", "app")
    app.judge("1.1.0", "done")
    assert app.show("NeedDaemonReload") == "no"
    assert "CHANGED=yes" in app.host.run("sh", "-c", "tr '\\0' '\\n' < /proc/$(pgrep -f 'serve.py app$')/environ")


def test_a_unit_that_comes_with_the_app_is_that_of_the_version(app: SystemdApp):
    """Linked from the tree: the new version's after an update, the old one's after a rollback, whatever their times."""
    unit = UNIT.format(target="multi-user.target")
    units = {
        version: unit.replace("[Service]", f"[Service]\nEnvironment=OF={version}") for version in ("1.0.0", "1.1.0")
    }
    app.host.write("/srv/app/app.service", units["1.0.0"])
    app.host.run("sh", "-c", "rm /etc/systemd/system/app.service; systemctl link /srv/app/app.service")
    app.host.run("systemctl", "restart", "app.service")
    app.publish("1.1.0", extra={"app.service": units["1.1.0"].encode()})
    running = "tr '\\0' '\\n' < /proc/$(pgrep -f 'serve.py app$')/environ"
    app.fsm("update", "app")
    assert "OF=1.1.0" in app.host.run("sh", "-c", running)
    app.fsm("rollback", "app")
    assert "OF=1.0.0" in app.host.run("sh", "-c", running)
    app.host.run("systemctl", "disable", "--now", "app.service")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("systemctl disable --now app; rm /etc/systemd/system/app.service", "there is no unit of that name"),
        ("rm /etc/systemd/system/app.service; systemctl mask app", "it is masked"),
        (
            "sed -i 's/ExecStart=.*/ExecStart=/' /etc/systemd/system/app.service",
            "a setting that systemd rejects",
        ),
    ],
)
def test_a_unit_that_cannot_be_started_is_refused(app: SystemdApp, spoil: str, why: str):
    """Before anything is touched, and by the doctor too."""
    app.publish("1.1.0")
    app.host.run("sh", "-c", f"{spoil}; systemctl daemon-reload")
    assert why in app.fsm("update", "app", code=20)
    assert not app.last()["touched"]
    assert why in app.fsm("doctor", code=40)
    app.host.run("systemctl", "unmask", "app")


def test_a_first_start_that_cannot_be(app: SystemdApp):
    """A unit whose program is missing: what systemd itself said is in the report."""
    app.host.run("sh", "-c", "sed -i 's,/usr/bin/python3,/usr/bin/gone,' /etc/systemd/system/app.service")
    app.publish("1.1.0")
    app.fsm("update", "app", code=40)
    last = app.last()
    assert "203" in last["reason"], last["reason"]
    assert "not undone yet: start the service" in last["todo"]
    app.host.run("sh", "-c", "sed -i 's,/usr/bin/gone,/usr/bin/python3,' /etc/systemd/system/app.service")
    app.fsm("rollback", "app")
    app.judge("1.0.0", "rolled_back")


def test_a_unit_that_is_to_run_and_to_end(host: Machine):
    """`Type=oneshot` without `RemainAfterExit`: it counts when its last run ended well; an update runs it anew."""
    app = SystemdApp(host)
    unit = UNIT.format(target="multi-user.target").replace("ExecStart=/usr/bin/python3 -S -I serve.py app", ONCE)
    host.write("/etc/systemd/system/app.service", unit.replace("Restart=always\n", "Type=oneshot\n"))
    host.write("/srv/ask.py", "")
    host.run("systemctl", "daemon-reload")
    app.install("1.0.0", start=False)
    host.run("systemctl", "start", "app")
    app.publish("1.1.0")
    app.fsm("update", "app")
    assert host.run("cat", "/srv/runs").splitlines() == ["1.0.0", "1.1.0"]
    app.publish("1.2.0", "CRASHES")
    app.fsm("update", "app", code=30)
    assert host.run("cat", "/srv/runs").splitlines() == ["1.0.0", "1.1.0", "1.1.0"]


ONCE = "ExecStart=/bin/sh -c 'test ! -e CRASHES && cat VERSION >> /srv/runs'"


def test_a_socket_does_not_start_it_meanwhile(app: SystemdApp):
    """A unit that its socket would start again during the swap is stopped with that socket, and so started."""
    app.host.write("/etc/systemd/system/app.socket", "[Socket]\nListenStream=/run/app.sock\n")
    app.host.run("systemctl", "daemon-reload")
    app.host.run("sh", "-c", "systemctl stop app; systemctl start app.socket app")
    config = app.host.read("/etc/fsm/fsm.toml").decode()
    app.host.write("/etc/fsm/fsm.toml", config.replace('unit = "app"', 'unit = "app", triggers = ["app.socket"]'))
    app.publish("1.1.0")
    app.freeze("stop_service.done")
    assert app.show("ActiveState", "app.socket") == "inactive"
    app.host.run("pkill", "-KILL", "-f", "freeze.py")
    app.ended()
    app.fsm("resume")
    app.judge("1.1.0", "done")
    assert app.show("ActiveState", "app.socket") == "active"
    app.host.run("sh", "-c", "systemctl stop app.socket; rm /etc/systemd/system/app.socket; systemctl daemon-reload")
