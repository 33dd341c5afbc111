"""SIGINT, SIGTERM and SIGHUP during a run: stop at a safe point, exit 75, `fsm resume` continues."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from fsm.cli import signals
from tests.family import in_foreground
from tests.lock_holder import locked_elsewhere
from tests.unit.cli.conftest import Line, interrupted

pytestmark = pytest.mark.processes


@pytest.fixture(autouse=True)
def _foreground() -> Iterator[None]:
    """Also where the whole suite runs in the background."""
    with in_foreground():
        yield


SLOW = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(float(sys.argv[2]))"


def _slow(line: Line, seconds: float) -> Path:
    """Let the check after the update take a while; returns what exists once it has begun."""
    begun = line.app_fixture.root / "begun"
    check = {"type": "command", "argv": [sys.executable, "-c", SLOW, str(begun), str(seconds)]}
    line.configure(app=line.another("x", install_path=str(line.app_fixture.live), post_checks=[check]))
    return begun


@contextmanager
def _updating(line: Line, begun: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "fsm", "--config", str(line.path), "update", *args]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with child:
        try:
            until = time.monotonic() + 30
            while not begun.exists() and time.monotonic() < until and child.poll() is None:
                time.sleep(0.01)
            assert begun.exists(), child.communicate(timeout=10)
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_at_a_safe_point_and_resume_continues(number: int, updated: Line):
    """75, no traceback, and the way to go on; the journal is whole."""
    begun = _slow(updated, 60)
    with _updating(updated, begun) as child:
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
    assert child.returncode == 75
    assert "fsm: stopping at the next safe point (again to stop at once)\n" in err
    assert err.endswith("fsm: interrupted; run `fsm resume` to continue\n")
    assert "Traceback" not in err
    assert out.startswith("app: interrupted in verifying at step ")
    assert updated("history", "--verify").code == 0
    # The frozen plan has the slow check: a resume would wait for it again.
    assert updated("cancel").code == 0
    assert updated.app_fixture.version() == "1.0.0"


def test_a_second_signal_stops_at_once(updated: Line):
    """While the service is down the first one waits; the second does not."""
    begun = updated.app_fixture.root / "begun"
    migration = {"command": [sys.executable, "-c", SLOW, str(begun), "60"]}
    updated.configure(app=updated.another("x", install_path=str(updated.app_fixture.live), migration=migration))
    with _updating(updated, begun, "--json") as child:
        child.send_signal(signal.SIGTERM)
        assert child.stderr is not None
        while "stopping at the next" not in (text := child.stderr.readline()):
            assert text
        time.sleep(0.5)
        assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 75
    assert "fsm: stopping at once\n" in err
    assert updated("cancel").code == 0
    assert updated.app_fixture.version() == "1.0.0"


def test_an_ignored_signal_stays_ignored(updated: Line):
    """`nohup fsm update` goes on when its terminal is closed."""
    begun = _slow(updated, 0.5)
    command = f"trap '' HUP; exec {sys.executable} -m fsm --config {updated.path} update"
    child = subprocess.Popen(["/bin/sh", "-c", command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not begun.exists() and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGHUP)
    assert child.wait(30) == 0
    assert updated.app_fixture.version() == "1.1.0"


def test_handlers_are_put_back(capsys: pytest.CaptureFixture[str]):
    """Also after an error; each signal is one call, and nobody stops twice for one."""
    asked: list[str] = []
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError), signals.stopping(lambda: asked.append("stop")):  # noqa: PT012 - that is it
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert asked == ["stop", "stop"]
    assert threading.active_count() == threads
    assert re.findall("fsm: (.*)", capsys.readouterr().err) == [signals.FIRST, signals.AGAIN]


def test_cancel_from_another_terminal(updated: Line):
    """The process that updates rolls back; both say so, with their codes."""
    begun = _slow(updated, 60)
    with _updating(updated, begun) as child:
        cancelled = updated("cancel", "--timeout", "30")
        out, _ = child.communicate(timeout=30)
    assert cancelled.code == 0
    assert child.returncode == 30
    assert out.startswith("app: rolled back, 1.0.0 is running: cancelled")
    assert updated.app_fixture.version() == "1.0.0"


def test_cancel_comes_too_late(updated: Line):
    """The update had ended before the request was seen: 20, and how to go back."""
    begun = _slow(updated, 60)
    with _updating(updated, begun) as child:
        child.kill()
        child.wait()
        # Whoever drives the run finishes it while the other one waits for the lock.
        script = (
            "import sys, time\nfrom pathlib import Path\nfrom fsm.engine.locks import ComponentLock\n"
            "from fsm.engine.journal import Journal\nfrom fsm.lifecycle import State\n"
            f"state = Path({str(updated.app_fixture.state)!r})\n"
            "with ComponentLock(state, 'app'), Journal(state / 'journal.db') as journal:\n"
            "    print('locked', flush=True)\n"
            "    while not journal.cancel_requested(1): time.sleep(0.01)\n"
            "    journal.write(journal.run(1), [], ended=True, state=State.DONE)\n"
        )
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as driver:
            assert driver.stdout is not None
            assert driver.stdout.readline() == "locked\n"
            ended = updated("cancel")
    assert ended.code == 20
    assert "app had finished before it could be cancelled; go back with `fsm rollback`" in ended.err


@contextmanager
def _systemd(root: Path) -> Iterator[socket.socket]:
    """The socket on which systemd waits for READY."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(root / "notify"))
        listener.settimeout(30)
        yield listener


def _between_stop_and_start(line: Line) -> None:
    """Kill an update there; its service is no more than a file."""
    up = line.app_fixture.root / "up"
    service = {
        "manager": "command",
        "start": ["/usr/bin/touch", str(up)],
        "stop": ["/bin/rm", "-f", str(up)],
        "status": ["/bin/sh", "-c", f"test -e {up}"],
    }
    up.touch()
    line.configure(app=line.another("x", install_path=str(line.app_fixture.live), service=service))
    interrupted(line, at="exchange")
    assert not up.exists()


@pytest.mark.needs_linux
@pytest.mark.parametrize("in_the_way", [False, True])
def test_a_boot_goes_on_only_with_a_whole_tree(updated: Line, in_the_way: bool):
    """READY is said once it is; a resume that systemd ends before that ends without a word to it."""
    _between_stop_and_start(updated)
    command = [sys.executable, "-m", "fsm", "--config", str(updated.path), "resume"]
    environ = {**os.environ, "NOTIFY_SOCKET": str(updated.app_fixture.root / "notify")}
    holder = locked_elsewhere(updated.app_fixture.state, "app") if in_the_way else nullcontext()
    with _systemd(updated.app_fixture.root) as listener, holder:
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stderr is not None
            if in_the_way:
                said = next(text for text in child.stderr if "the boot waits" in text)
                assert said.startswith("app the boot waits until its tree is whole: another updater is working on it")
                child.send_signal(signal.SIGTERM)
            out, _ = child.communicate(timeout=60)
        if in_the_way:
            assert (child.returncode, out[:10]) == (50, "app: busy:")
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.recv(100)
        else:
            assert (child.returncode, listener.recv(100)) == (0, b"READY=1")
