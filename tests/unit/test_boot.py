"""How `fsm resume` holds back a boot: it says READY once, and only where somebody waits for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.system import boot_hold


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd waits, as a path or in the abstract name space."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}/notify"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setattr(boot_hold, "_held", None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.settimeout(0.2)
        yield listener


@pytest.mark.needs_linux
def test_ready_is_said_once(systemd: socket.socket):
    """When the hold is given up."""
    boot_hold.hold()
    assert boot_hold.holding()
    boot_hold.release()
    assert not boot_hold.holding()
    assert systemd.recv(100) == b"READY=1"
    boot_hold.release()
    with pytest.raises(TimeoutError):
        systemd.recv(100)


@pytest.mark.needs_linux
def test_a_hold_that_is_dropped_says_nothing(systemd: socket.socket):
    """The process ends, and systemd sees how."""
    boot_hold.hold()
    boot_hold.drop()
    assert not boot_hold.holding()
    boot_hold.release()
    with pytest.raises(TimeoutError):
        systemd.recv(100)


@pytest.mark.needs_linux
def test_who_did_not_take_the_hold_says_nothing(systemd: socket.socket):
    """A program that embeds the library has its own readiness to tell."""
    boot_hold.release()
    with pytest.raises(TimeoutError):
        systemd.recv(100)


def test_without_systemd_nothing_is_held(monkeypatch: pytest.MonkeyPatch):
    """Which is how it is in a shell."""
    monkeypatch.setattr(boot_hold, "_held", None)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    boot_hold.hold()
    assert not boot_hold.holding()


@pytest.mark.needs_linux
def test_a_listener_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The update goes on."""
    monkeypatch.setattr(boot_hold, "_held", str(tmp_path / "nobody"))
    boot_hold.release()
    assert not boot_hold.holding()
