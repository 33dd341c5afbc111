"""Identity and ending of processes, with real ones."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fsm.errors import Unsupported
from fsm.system.processes import (
    Identity,
    alive,
    boot_id,
    end,
    ending,
    group,
    holding,
    identify,
    reading,
    start_time,
    with_environment,
)
from tests.family import in_foreground

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]

Start = Callable[..., Identity]


@pytest.fixture
def mark() -> str:
    """An environment entry that no other process has."""
    return f"FSM_TEST={uuid.uuid4().hex}"


@pytest.fixture
def start(mark: str) -> Iterator[Start]:
    """Starts shell scripts in sessions of their own, marked; ends what a test left."""
    children = []

    def run(script: str) -> Identity:
        env = {**os.environ, mark.partition("=")[0]: mark.partition("=")[2]}
        child = subprocess.Popen(["sh", "-c", script], env=env, start_new_session=True, stdout=subprocess.PIPE)
        children.append(child)
        who = identify(child.pid)
        assert who is not None
        assert child.stdout is not None
        child.stdout.readline()  # the script says that it is ready
        return who

    yield run
    # Again until none is left: a script whose command is killed first may start its next one.
    while found := with_environment(mark):
        for who in found:
            with suppress(ProcessLookupError):
                os.kill(who.pid, signal.SIGKILL)
    for child in children:
        child.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    """Wait at most five seconds."""
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit, "it did not come true"
        time.sleep(0.005)


def test_the_own_process_has_an_identity():
    """Pid, start time and boot id of a living process are known, and it is alive."""
    me = identify(os.getpid())
    assert me is not None
    assert (me.pid, me.start_time, me.boot_id) == (os.getpid(), start_time(os.getpid()), boot_id())
    assert alive(me)


def test_a_pid_that_nobody_has_has_no_identity(start: Start):
    """An ended and reaped process is nobody."""
    child = subprocess.Popen(["true"])
    child.wait()
    assert identify(child.pid) is None


def test_a_zombie_is_dead():
    """A process that ended and was not reaped yet has no start time."""
    with subprocess.Popen(["true"]) as child:
        wait_for(lambda: start_time(child.pid) is None)
        assert Path(f"/proc/{child.pid}").exists()


def test_a_name_with_parentheses_and_spaces_is_read_right(tmp_path: Path):
    """The program's name in /proc/<pid>/stat cannot confuse the fields behind it."""
    program = tmp_path / "a) S 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    with subprocess.Popen([program, "60"]) as child:
        started = start_time(child.pid)
        child.kill()
    assert started is not None
    assert abs(started / os.sysconf("SC_CLK_TCK") - before) < 5


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another boot"}], ids=["start", "boot"])
def test_a_pid_that_was_given_out_again_is_somebody_else(start: Start, change: dict[str, object]):
    """A recorded pid with another start time, or of another boot, is dead, and nothing signals its new owner."""
    who = start("echo; exec sleep 60")
    former = who.model_copy(update=change)
    assert not alive(former)
    assert group(former) == []
    assert end(former, grace=0)
    assert alive(who)


def test_marked_processes_are_found_wherever_they_went(start: Start, mark: str):
    """A grandchild in another session carries the mark; the own process and half a mark do not count."""
    who = start("setsid sleep 60 & echo; sleep 60")
    wait_for(lambda: len(with_environment(mark)) == 3)
    assert who in with_environment(mark)
    assert with_environment(mark[:-1]) == []
    assert all(found.pid != os.getpid() for found in with_environment(f"PATH={os.environ['PATH']}"))


@pytest.mark.parametrize("ends", [1, 2, 3, 4])
def test_a_mark_is_found_in_the_middle_of_an_exec(start: Start, mark: str, monkeypatch: pytest.MonkeyPatch, ends: int):
    """While a process becomes another program its environment is empty: it is found whenever that ends."""
    who = start("echo; exec sleep 60")
    environ, stat, looks = reading._environ, reading.stat_of, 0

    def over(pid: int) -> bool:
        nonlocal looks
        looks += pid == who.pid
        return pid != who.pid or looks >= ends

    def stat_then(pid: int) -> reading.Stat | None:
        found = stat(pid)
        return found if found is None or over(pid) else found._replace(environ_at=0)

    monkeypatch.setattr(reading, "_environ", lambda pid: environ(pid) if over(pid) else b"")
    monkeypatch.setattr(reading, "stat_of", stat_then)
    assert with_environment(mark) == [who]


def test_an_environment_that_claims_to_be_endless_is_read_as_far_as_one_can_be(monkeypatch):
    """A process can have the kernel say that its environment is gigabytes; it costs its readers no memory."""
    with subprocess.Popen(["sleep", "60"], env={"A": "1", "B": "x" * 100_000}) as child:
        try:
            wait_for(lambda: len(reading._environ(child.pid)) > 100_000)
            monkeypatch.setattr(reading, "_MOST", 5000)
            assert len(reading._environ(child.pid)) == 5000
            assert identify(child.pid) in with_environment("A=1")
        finally:
            child.kill()


def test_an_exec_that_does_not_end_is_not_waited_for(start: Start, mark: str, monkeypatch: pytest.MonkeyPatch):
    """A process whose environment stays empty does not keep the others from being found."""
    who, other = start("echo; exec sleep 60"), start("echo; exec sleep 60")
    environ, stat = reading._environ, reading.stat_of

    def stuck(pid: int) -> reading.Stat | None:
        found = stat(pid)
        return found._replace(environ_at=0) if found is not None and pid == who.pid else found

    with monkeypatch.context() as patched:  # what ends these processes afterwards has to see them
        patched.setattr(reading, "_environ", lambda pid: b"" if pid == who.pid else environ(pid))
        patched.setattr(reading, "stat_of", stuck)
        assert with_environment(mark) == [other]


def test_a_pid_that_changes_hands_during_the_look_is_not_found(
    start: Start, mark: str, monkeypatch: pytest.MonkeyPatch
):
    """The environment is read before and after the identity: both must carry the mark."""
    start("echo; exec sleep 60")
    with monkeypatch.context() as patched:
        patched.setattr(reading, "identify", lambda pid: None)
        assert with_environment(mark) == []


def test_holders_of_a_lock_are_found(start: Start, tmp_path: Path):
    """Who inherited a lock holds it; the own process, and who merely has the file open, do not count."""
    path = tmp_path / "lock"
    assert holding(path) == []
    path.touch()
    start(f"exec 7<{path}; echo; exec sleep 60")
    who = start(f"exec 8<{path}; flock 8; echo; exec sleep 60")
    with path.open() as file:
        assert holding(path) == [who]
        end(who, grace=1)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holding(path) == []


def test_a_group_is_its_living_members(start: Start):
    """Members are found also after their leader has ended."""
    who = start("sleep 60 & sleep 60 & sleep 0.1; echo")
    wait_for(lambda: not alive(who))
    assert len(group(who)) == 2
    assert end(*group(who), grace=1)
    assert group(who) == []


def test_a_group_that_obeys_is_gone_at_once(start: Start):
    """TERM reaches every member of the group, and the waiting ends with the last of them."""
    who = start("sleep 60 & sleep 60 & echo; wait")
    before = time.monotonic()
    assert end(who, grace=5)
    assert time.monotonic() - before < 1
    assert group(who) == []


def test_who_ignores_the_signal_is_killed_after_the_grace(start: Start, mark: str):
    """Processes that ignore TERM get KILL, and are waited for."""
    who = start("trap '' TERM; (sleep 60; sleep 60) & echo; sleep 60; sleep 60")
    before = time.monotonic()
    assert end(who, grace=0.2)
    assert 0.2 <= time.monotonic() - before < 2
    assert with_environment(mark) == []


def test_the_first_signal_can_be_chosen(start: Start, tmp_path: Path):
    """A service that ends on INT only is asked by INT."""
    with in_foreground():  # a shell can trap nothing that was ignored when it began
        who = start(f"trap 'touch {tmp_path}/asked; exit' INT; echo; while :; do sleep 0.01; done")
    assert end(who, grace=5, first=signal.SIGINT)
    assert (tmp_path / "asked").exists()


def test_others_are_looked_for_until_none_is_left(start: Start, mark: str):
    """What left the group is ended by its mark."""
    who = start("setsid sleep 60 & setsid sleep 60 & echo; wait")
    wait_for(lambda: len(with_environment(mark)) == 3)
    assert end(who, grace=1, also=lambda: with_environment(mark))
    assert with_environment(mark) == []


def test_what_was_forked_past_the_signal_gets_it_too(start: Start, mark: str):
    """A process that its parent forked while it was being ended need not wait for KILL."""
    who = start("trap 'setsid sleep 60 & exit' TERM; echo; while :; do sleep 0.01; done")
    before = time.monotonic()
    assert end(who, grace=10, also=lambda: with_environment(mark))
    assert time.monotonic() - before < 5
    assert with_environment(mark) == []


def test_a_group_can_be_named_by_its_number(start: Start):
    """The number of a process group stands for its members."""
    who = start("sleep 60 & echo; wait")
    assert end(who.pid, grace=1)
    assert group(who) == []


@pytest.mark.parametrize("leader", ["alive", "ended"])
def test_a_group_number_that_was_given_out_again_is_not_signalled(start: Start, leader: str):
    """A group whose number has another leader now is not the one that was meant."""
    who = start("sleep 60 & echo; wait" if leader == "alive" else "sleep 60 & sleep 0.1; echo")
    former = Identity(pid=who.pid, start_time=who.start_time - 1, boot_id=who.boot_id)
    if leader == "alive":
        assert group(former) == []
    assert end(former, grace=0)
    assert group(who) != []


def test_the_own_group_and_the_first_process_are_never_signalled():
    """Whatever is asked for, this process, its group and pid 1 stay."""
    me = identify(os.getpid())
    assert me is not None
    assert end(me, 0, 1, os.getpgrp(), grace=0, also=lambda: [me])
    assert alive(me)


def test_polling_ends_the_waiting(start: Start):
    """An exception of `poll` comes through; the processes keep what they were sent."""
    who = start("trap '' TERM; echo; sleep 60; sleep 60")

    def poll() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        end(who, grace=5, poll=poll)
    assert alive(who)


def test_a_process_that_cannot_be_signalled_is_reported(start: Start, monkeypatch: pytest.MonkeyPatch):
    """Somebody else's process stays, and the answer says so."""
    who = start("sleep 60 & echo; wait")
    child = next(member for member in group(who) if member != who)

    def refuse(handle: int, signum: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)
    monkeypatch.setattr(ending, "KILL_WAIT", 0.2)
    assert not end(child, grace=0.1)
    assert alive(child)


def test_a_group_of_another_user_is_listed(start: Start, monkeypatch: pytest.MonkeyPatch):
    """A group that must not be signalled is a group all the same."""
    who = start("sleep 60 & echo; wait")

    def refuse(number: int, signum: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "killpg", refuse)
    assert len(group(who)) == 2


@pytest.mark.parametrize("living", [True, False])
def test_old_kernels_without_pidfd_are_served(start: Start, monkeypatch: pytest.MonkeyPatch, living: bool):
    """Without pidfd_open a single process is signalled by its pid, after its identity was checked."""
    who = start("sleep 60 & echo; wait")
    child = next(member for member in group(who) if member != who)
    asked = child if living else child.model_copy(update={"start_time": 1})

    def missing(pid: int) -> int:
        raise OSError(errno.ENOSYS, "no such call")

    monkeypatch.setattr(os, "pidfd_open", missing)
    ending._send(asked, signal.SIGKILL)
    wait_for(lambda: alive(child) is not living)


def test_a_pid_that_changed_hands_is_not_signalled(start: Start):
    """Between the look and the signal the pid may go to somebody else, who gets nothing."""
    who = start("echo; exec sleep 60")
    ending._send(who.model_copy(update={"start_time": 1}), signal.SIGKILL)
    time.sleep(0.05)
    assert alive(who)


def test_signalling_somebody_gone_is_nothing():
    """A process that ended between look and signal is no error."""
    child = subprocess.Popen(["true"])
    child.wait()
    ending._send(Identity(pid=child.pid, start_time=1, boot_id=boot_id()), signal.SIGKILL)


def test_other_systems_are_told(monkeypatch: pytest.MonkeyPatch):
    """Where there is no /proc of Linux, the error says what to do."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unsupported, match="on a Linux host"):
        start_time(os.getpid())
    with pytest.raises(Unsupported):
        end(grace=0)
