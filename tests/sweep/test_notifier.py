"""The notifier counts the calls of all threads and children as one sequence, and strikes before one is executed."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.crash_case import ROOT
from tests.sweep.calls import CALLS, missing
from tests.sweep.notifier import NOTHING, Fault, Mode, Notifier

pytestmark = pytest.mark.needs_linux

PROGRAM = """
import os, socket, subprocess, sys, threading
from tests.sweep.calls import report_calls

listener = report_calls()
with socket.socket(fileno=int(sys.argv[1])) as told:
    socket.send_fds(told, [b"."], [listener])
os.close(listener)
os.chdir(sys.argv[2])
open("/dev/null", "w").write("nothing of this host")
os.mkdir("1")
thread = threading.Thread(target=os.mkdir, args=("2",))
thread.start()
thread.join()
subprocess.run(["mkdir", "3"])
os.kill(os.getpid(), 0)
os.rename("1", "one")
try:
    os.mkdir("5")
except OSError as error:
    print(error.errno)
try:
    os.mkdir("6")
except OSError as error:
    print(error.errno)
os.rmdir("2")
"""


def ran(place: Path, fault: Fault) -> tuple[Notifier, int, str]:
    """The program in a directory: who answered for it, its exit code, and what it printed."""
    if why := missing():
        pytest.skip(why)
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-c", PROGRAM, str(theirs.fileno()), str(place)]
    process = subprocess.Popen(
        argv, cwd=ROOT, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    notifier = Notifier(place, fault, lambda mode, struck: os.killpg(process.pid, signal.SIGKILL))
    with ours, theirs:
        _, (listener,), *_ = socket.recv_fds(ours, 1, 1)
    notifier.listen(listener)
    out, _ = process.communicate(timeout=60)
    notifier.join(60)
    assert not notifier.is_alive()
    return notifier, process.returncode, out


def test_all_threads_and_children_are_one_sequence(tmp_path: Path):
    """What is elsewhere, and what changes nothing, is not counted."""
    notifier, code, out = ran(tmp_path, NOTHING)
    assert (code, out) == (0, "")
    told = [(seen.program, seen.call, seen.about) for seen in notifier.seen]
    mine, other = told[0][0], "mkdir"
    assert told == [
        (mine, "mkdir", "1"),
        (mine, "mkdir", "2"),
        (other, "mkdir", "3"),
        (mine, "rename", "1 one"),
        (mine, "mkdir", "5"),
        (mine, "mkdir", "6"),
        (mine, "rmdir", "2"),
    ]
    assert sorted(os.listdir(tmp_path)) == ["3", "5", "6", "one"]


@pytest.mark.parametrize(
    ("at", "left"), [(1, []), (2, ["1"]), (3, ["1", "2"]), (4, ["1", "2", "3"]), (5, ["2", "3", "one"])]
)
def test_a_kill_comes_before_the_call(tmp_path: Path, at: int, left: list[str]):
    """The call at which a run is killed has not happened, and nothing after it does."""
    notifier, code, _ = ran(tmp_path, Fault("kill", at))
    assert code == -signal.SIGKILL
    assert [seen.number for seen in notifier.struck] == [at]
    assert sorted(os.listdir(tmp_path)) == left


@pytest.mark.parametrize(
    ("mode", "number"),
    [("eio", errno.EIO), ("enospc", errno.ENOSPC), ("erofs", errno.EROFS), ("eintr", errno.EINTR)],
)
def test_an_error_once(tmp_path: Path, mode: Mode, number: int):
    """Only that call fails, and it is not executed."""
    _, code, out = ran(tmp_path, Fault(mode, 5))
    assert (code, out.split()) == (0, [str(number)])
    assert sorted(os.listdir(tmp_path)) == ["3", "6", "one"]


def test_a_lasting_error(tmp_path: Path):
    """All calls from then on fail; on a full disk, those that need room."""
    _, code, out = ran(tmp_path, Fault("eio", 5, lasting=True))
    assert (code, out.split()) == (1, [str(errno.EIO)] * 2)
    assert sorted(os.listdir(tmp_path)) == ["2", "3", "one"]


def test_a_lasting_full_disk(tmp_path: Path):
    """What needs no room can still be removed."""
    _, code, out = ran(tmp_path, Fault("enospc", 5, lasting=True))
    assert (code, out.split()) == (0, [str(errno.ENOSPC)] * 2)
    assert sorted(os.listdir(tmp_path)) == ["3", "one"]


def test_every_argument_of_the_table_is_one():
    """A call has at most six arguments, and what follows the descriptor of a directory is a path."""
    for call in CALLS.values():
        assert all(0 <= path < 6 and at in (-1, path - 1) for path, at in call.paths), call
        assert all(0 <= file < 6 for file in call.files), call
