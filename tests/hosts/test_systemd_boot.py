"""A host that loses its power, or is rebooted, in the middle of an update: `fsm-resume` ends the run at boot."""

from __future__ import annotations

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

POINTS = (
    "keep.copied",
    "download.renamed",
    "service.systemd.stop",
    "service.systemd.stopped",
    "carry_over.copied",
    "exchange.done",
    "service.systemd.start",
    "service.systemd.started",
    "start_service.done",
)
"""Where the power is cut: before the stop, at every turn between stop and start, and after the start."""


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine that the tests of this module share."""
    with Machine.start("boot") as machine:
        yield machine


@pytest.fixture
def app(host: Machine) -> SystemdApp:
    """The app, with 1.0.0 running, and the units installed."""
    made = SystemdApp(host)
    made.install("1.0.0")
    made.fsm("install-service")
    return made


def starts(app: SystemdApp, unit: str = "app.service") -> int:
    """How often a unit was started since the boot."""
    text = app.host.run("journalctl", "--boot", "--output=cat", "--no-pager", f"UNIT={unit}", "JOB_TYPE=start")
    return text.count(f"Started {unit}")


@pytest.mark.parametrize("point", POINTS)
def test_a_power_cut_in_an_update(app: SystemdApp, point: str):
    """Whatever the moment, the boot ends the update by itself; the unit is started once, after the trees are right."""
    app.publish("1.1.0")
    app.freeze(point)
    app.power_cut()
    app.judge("1.1.0", "done", app.settled())
    before_stop = POINTS.index(point) < POINTS.index("service.systemd.stop")
    assert starts(app) == (2 if before_stop else 1), app.host.journal("-b", lines=80)


@pytest.mark.parametrize(
    ("point", "times"),
    [("exchange.done", 2), ("stop_service.undone", 1), ("service.systemd.started", 2), ("aside.moved", 1)],
)
def test_a_power_cut_in_a_rollback(app: SystemdApp, point: str, times: int):
    """The boot ends the rollback, and the old version runs."""
    app.publish("1.1.0", "BROKEN", "WRITES")
    app.freeze(point, times)
    app.power_cut()
    app.judge("1.0.0", "rolled_back", app.settled())


def test_two_power_cuts(app: SystemdApp):
    """The second one while the boot resumes."""
    app.publish("1.1.0")
    app.freeze("exchange.done")
    app.host.kill()
    app.ended()
    app.host.boot(wait=False)
    wait_for(lambda: app.host.try_run("true").returncode == 0, 20, lambda: "no boot")
    app.host.kill()
    app.host.boot()
    app.judge("1.1.0", "done", app.settled())


def test_a_service_that_was_started_meanwhile(app: SystemdApp):
    """Without the order of the boot: whoever started the unit on a half exchanged tree, a resume stops it again."""
    app.publish("1.1.0")
    app.freeze("exchange.done")
    app.host.run("systemctl", "start", "app.service")
    app.host.run("pkill", "-KILL", "-f", "freeze.py")
    app.ended()
    app.fsm("resume")
    app.judge("1.1.0", "done")


def test_two_apps_that_were_down(app: SystemdApp):
    """Neither of them is started before both trees are whole, and each of them once."""
    config = app.host.read("/etc/fsm/fsm.toml").decode()
    second = config
    for ours, other in (("components.app", "components.web"), ("/srv/app", "/srv/web"), ('"app"', '"web"')):
        second = second.replace(ours, other)
    unit = app.host.read("/etc/systemd/system/app.service").decode()
    unit = unit.replace("serve.py app", "serve.py web").replace("/srv/app", "/srv/web")
    app.host.write_files({"/etc/fsm/fsm.toml": config + second, "/etc/systemd/system/web.service": unit})
    app.host.run("sh", "-c", "cp -a /srv/app /srv/web; systemctl enable --now web; fsm install-service")
    app.publish("1.1.0")
    app.freeze("exchange.done", name="web")
    app.host.run("rm", "/run/frozen")
    first = app._begun
    app.freeze("carry_over.copied")
    app.power_cut()
    first.communicate(timeout=30)
    app.judge("1.1.0", "done", app.settled())
    assert (starts(app), starts(app, "web.service")) == (1, 1), app.host.journal("-b", lines=80)
    assert app.host.run("cat", "/srv/web/VERSION") == "1.1.0"
    app.host.run("sh", "-c", "systemctl disable --now web; rm /etc/systemd/system/web.service")


def reboot_during(app: SystemdApp, step: str) -> None:
    """Reboot the host as an administrator does, while an update that systemd started is at a step."""
    app.host.run("systemd-run", "--unit=update-now", "--property=KillMode=process", "fsm", "update", "app")
    wait_for(
        lambda: step in app.host.journal("-u", "update-now.service", lines=50),
        30,
        lambda: app.host.journal("-u", "update-now.service", lines=50),
    )
    app.host.reboot()


def test_a_reboot_while_the_service_is_down(host: Machine):
    """Nothing can be started during a shutdown: that is nobody's fault, and the boot goes on with the run."""
    app = SystemdApp(host, more='migration = { command = ["/bin/sleep", "4"] }')
    app.install("1.0.0")
    app.fsm("install-service")
    app.publish("1.1.0")
    reboot_during(app, "run the migration")
    app.judge("1.1.0", "done", app.settled())


def test_a_reboot_while_the_new_version_is_checked(app: SystemdApp):
    """The shutdown stops the app, which is not taken for a failure of the release."""
    app.host.write("/srv/ask.py", b"import time\ntime.sleep(3)\n" + app.host.read("/srv/ask.py"))
    app.publish("1.1.0")
    reboot_during(app, "check that the new version works")
    app.judge("1.1.0", "done", app.settled())


def test_a_boot_without_a_network(host: Machine):
    """The boot waits for nothing; the app runs; what cannot be had in time is given up."""
    app = SystemdApp(host, source='{ type = "http", allow_unsigned = true, url = "http://127.0.0.1:8099/" }')
    app.install("1.0.0")
    app.fsm("install-service", "--within", "8")
    app.publish("1.1.0")
    server = app.host.begin("python3", "-m", "http.server", "8099", "--bind", "127.0.0.1", "-d", "/srv/releases")
    wait_for(lambda: app.host.fetch("http://127.0.0.1:8099/"), 20, lambda: "no server")
    app.freeze("keep.copied")
    app.power_cut()
    server.communicate(timeout=30)
    app.answers("1.0.0", 5)
    assert app.show("ActiveState", "fsm-resume.service") in ("activating", "active")
    last = app.settled()
    assert last["reason"] == "cancelled: it was not done within 8 s"
    app.judge("1.0.0", "refused", last)


def test_a_resume_that_does_not_end(host: Machine):
    """A boot is held back for so long and no longer; then the run is interrupted, and a later resume goes on."""
    app = SystemdApp(host, more='migration = { command = ["/bin/sh", "-c", "test ! -e /srv/slow || sleep 40"] }')
    app.install("1.0.0")
    app.fsm("install-service", "--within", "100")
    app.host.write("/etc/systemd/system/fsm-resume.service.d/soon.conf", SOON)
    app.host.write("/srv/slow", "")
    app.publish("1.1.0")
    app.freeze("exchange.done")
    app.power_cut()
    assert app.settled()["outcome"] == "interrupted"
    app.answers("1.1.0")  # the boot has started it: it is the tree that the run had come to
    app.host.run("rm", "/srv/slow")
    app.fsm("resume")
    app.judge("1.1.0", "done")


SOON = "[Service]\nTimeoutStartSec=4\nTimeoutStopSec=2\n"


def test_a_service_of_the_updater_lives_on(host: Machine):
    """A service of manager `process` that the resume started is not ended with the unit."""
    command = '["/usr/bin/python3", "-S", "-I", "serve.py", "app"]'
    app = SystemdApp(host, service=f'{{ manager = "process", command = {command}, cwd = "/srv/app" }}')
    app.install("1.0.0", start=False)
    app.fsm("install-service")
    app.publish("1.1.0")
    app.freeze("exchange.done")
    app.power_cut()
    assert app.settled()["outcome"] == "done"
    assert app.show("ActiveState", "fsm-resume.service") == "inactive"
    app.answers("1.1.0")
