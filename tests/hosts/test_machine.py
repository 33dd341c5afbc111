"""The test bed's machines: systemd runs, the disk survives, the rest does not, and the project is installed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.version import __version__
from tests.hosts.home import BedError
from tests.hosts.images import build
from tests.hosts.machine import REGISTRY, Machine

pytestmark = [
    pytest.mark.needs_machine,
    pytest.mark.timeout(600),  # the first one of a machine makes the image
]

UNIT = """\
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'echo stopped >> /var/lib/witness'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine that the tests of this module share; each leaves it on."""
    with Machine.start("host") as machine:
        yield machine


def test_it_boots(host: Machine):
    """Process 1 is systemd, and no unit failed."""
    assert host.run("cat", "/proc/1/comm") == "systemd"
    assert (host.wait_ready(), host.failed_units()) == ("running", [])


def test_the_project_is_installed(host: Machine):
    """With its component types, from hash-pinned wheels, in an environment of its own."""
    assert host.run("fsm", "--version") == f"fsm {__version__}"
    types = "from fsm.adapter import Registry; print(Registry.discover().get('python_app').component_type)"
    assert host.run("/opt/fsm/bin/python", "-c", types) == "python_app"


def test_a_kill_takes_everything_but_the_disk(host: Machine):
    """As a power cut does: no service is stopped, none is forgotten."""
    host.write("/etc/systemd/system/witness.service", UNIT)
    host.run("systemctl", "enable", "--now", "witness.service")
    host.write_files({"/var/lib/kept": b"\0kept\r\n", "/run/lost": "", "/tmp/lost": ""}, mode=0o600)
    before = host.boot_id()
    host.kill()
    assert not host.is_on()
    host.boot()
    assert host.read("/var/lib/kept") == b"\0kept\r\n"
    assert host.run("stat", "-c", "%a", "/var/lib/kept") == "600"
    assert host.try_run("ls", "/run/lost").returncode != 0
    assert host.try_run("ls", "/tmp/lost").returncode != 0
    assert host.try_run("ls", "/var/lib/witness").returncode != 0
    assert host.run("systemctl", "is-active", "witness.service") == "active"
    assert host.boot_id() != before
    assert host.failed_units() == []


def test_a_reboot_stops_its_services(host: Machine):
    """As an administrator's does: each service is told."""
    host.write("/etc/systemd/system/witness.service", UNIT)
    host.run("systemctl", "enable", "--now", "witness.service")
    before = host.boot_id()
    host.reboot()
    assert host.read("/var/lib/witness") == b"stopped\n"
    assert host.run("systemctl", "is-active", "witness.service") == "active"
    assert host.boot_id() != before
    assert len(host.run("journalctl", "--list-boots", "--quiet").splitlines()) > 1


def test_what_fails_is_said(host: Machine):
    """A command's own words, and a unit's name."""
    with pytest.raises(BedError, match=r"ended with 7 in .*: why"):
        host.run("sh", "-c", "echo why >&2; exit 7")
    with pytest.raises(BedError, match="No such file"):
        host.read("/nowhere")
    host.write("/etc/systemd/system/broken.service", "[Service]\nExecStart=/bin/false\n")
    host.try_run("systemctl", "start", "broken.service")
    until = time.monotonic() + 10
    while host.failed_units() != ["broken.service"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "broken.service: Failed" in host.journal("-u", "broken.service")
    host.run("systemctl", "reset-failed")


def test_a_machine_has_an_engine_of_its_own(host: Machine, tmp_path: Path):
    """Its containers die with it and come back with it, by the engine's own word; other machines have none of them."""
    reference = build(f"{REGISTRY}/web", "1.0.0")
    host.engine("save", "-o", tmp_path / "image.tar", reference)
    host.engine("image", "rm", reference)
    with Machine.start("engine", docker=True) as machine:
        machine.run("docker", "load", stdin=(tmp_path / "image.tar").read_bytes())
        machine.run("docker", "push", "--quiet", reference)
        ports = ["-p", "127.0.0.1:8080:8080", "--restart", "unless-stopped"]
        machine.run("docker", "run", "-d", "--name", "web", *ports, reference)
        assert machine.run("docker", "compose", "version", "--short").startswith("2.")
        machine.kill()
        machine.boot()
        until = time.monotonic() + 20
        while machine.fetch("http://127.0.0.1:8080/version") != "1.0.0":
            assert time.monotonic() < until, machine.run("docker", "ps", "-a")
            time.sleep(0.1)
        assert machine.failed_units() == []
    assert host.try_run("docker", "info").returncode != 0
