"""What /proc says about processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from fsm.errors import Unsupported
from fsm.model import Model

_DEAD: Final = frozenset("ZXx")
"""States of /proc/<pid>/stat that are no life any more: a zombie runs nothing, it waits for its parent."""

_STOPPED: Final = "T"
"""State of a process that a signal has stopped; one that a tracer looks into has another."""

_EXEC_PAUSES: Final = (0.0, 0.001, 0.002)
"""Seconds before each look at a process that has no environment because it is in the middle of an exec."""

_MOST: Final = 8 << 20
"""Bytes of an environment that are looked through; execve(2) takes 6 MiB of arguments and environment at most."""

_PIECE: Final = 1 << 18

_KERNEL_THREAD: Final = 0x00200000
"""PF_KTHREAD of include/linux/sched.h."""


class Identity(Model):
    """One process, not to be confused with a later one of the same pid.

    Attributes:
        pid: its process id.
        start_time: clock ticks between the boot and its start.
        boot_id: the kernel's id of that boot.
    """

    pid: int
    start_time: int
    boot_id: str


class Stat(NamedTuple):
    """What /proc/<pid>/stat says: zombies included, `environ_at` is 0 in the middle of an exec."""

    state: str
    group: int
    kernel: bool
    start_time: int
    environ_at: int


@cache
def boot_id() -> str:
    """The kernel's random id of the running boot."""
    need_proc()
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def start_time(pid: int) -> int | None:
    """Clock ticks between the boot and the start of a process; None when there is none, or only a zombie."""
    found = stat_of(pid)
    return None if found is None or found.state in _DEAD else found.start_time


def identify(pid: int) -> Identity | None:
    """The identity of the process that has this pid now; None when none lives."""
    started = start_time(pid)
    return None if started is None else Identity(pid=pid, start_time=started, boot_id=boot_id())


def users_of(pid: int) -> set[int]:
    """The numbers of the users as whom a process acts: the real, effective, saved and file system's one.

    Empty if it has ended. See proc_pid_status(5).
    """
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            found = next(line for line in file if line.startswith("Uid:"))
    except (OSError, StopIteration):
        return set()
    return {int(number) for number in found.split()[1:]}


def alive(identity: Identity) -> bool:
    """Whether exactly this process still lives."""
    return identity.boot_id == boot_id() and start_time(identity.pid) == identity.start_time


def stopped(identity: Identity) -> bool:
    """Whether a living process does nothing because a signal has stopped it (SIGSTOP and its like)."""
    found = stat_of(identity.pid)
    return found is not None and found.state == _STOPPED and found.start_time == identity.start_time


def with_environment(marker: str) -> list[Identity]:
    """The living processes that were started with an environment entry.

    Args:
        marker: the whole entry, e.g. ``FSM_RUN=7f3a``.

    Returns:
        Those whose environment this user may read, without the own process.
    """
    entry = os.fsencode(marker)
    found: list[Identity] = []
    unclear = list(_pids())
    for pause in _EXEC_PAUSES:
        time.sleep(pause)
        unclear = [pid for pid in unclear if not _look(pid, entry, found)]
        if not unclear:
            break
    return found


def holding(path: Path) -> list[Identity]:
    """The living processes, without the own one, that hold a `flock` on a file, taken or inherited."""
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return []
    found = []
    for pid in _pids():
        with suppress(OSError):  # ended meanwhile, or somebody else's: then it is none of ours
            numbers = os.listdir(f"/proc/{pid}/fd")
            if any(_holds(f"/proc/{pid}", number, wanted) for number in numbers) and (who := identify(pid)):
                found.append(who)
    return found


def group(leader: Identity) -> list[Identity]:
    """The living members of the process group that `leader` leads or led."""
    return members_of(leader.pid, leader.start_time) if leader.boot_id == boot_id() else []


def members_of(number: int, started: int | None) -> list[Identity]:
    """The living members of a process group whose leader started at `started` (None: it had ended already)."""
    with suppress(PermissionError):  # it has members of another user: they are listed all the same
        try:
            os.killpg(number, 0)
        except ProcessLookupError:
            return []
    leader = stat_of(number)
    if leader is not None and leader.start_time != started:
        return []  # the number was given out again: this is another group
    return [
        who
        for pid in _pids()
        if (stat := stat_of(pid)) is not None and stat.group == number and (who := identify(pid)) is not None
    ]


def stat_of(pid: int) -> Stat | None:
    """The state of a process; None when nobody has the pid."""
    need_proc()
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field, the program's name, may hold spaces and parentheses; the last ")" ends it.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        state=fields[0],
        group=int(fields[2]),
        kernel=bool(int(fields[6]) & _KERNEL_THREAD),
        start_time=int(fields[19]),
        environ_at=int(fields[47]),
    )


def _pids() -> Iterator[int]:
    """Every process that is ever looked for: not the own one, and not the first one."""
    need_proc()
    never = {"1", str(os.getpid())}
    return (int(name) for name in os.listdir("/proc") if name.isdigit() and name not in never)


def _look(pid: int, entry: bytes, found: list[Identity]) -> bool:
    """Add a process to `found` where its environment has the entry; False when it must be looked at again."""
    environ = _environ(pid)
    if not environ:
        stat = stat_of(pid)
        if stat is None or stat.state in _DEAD or stat.kernel:
            return True
        if stat.environ_at == 0:
            return False
        environ = _environ(pid)  # it has none, or its exec ended between the two looks
    if _has(environ, entry):
        who = identify(pid)
        # Read again: a pid that changed hands in between would lack the entry.
        if who is not None and _has(_environ(pid), entry):
            found.append(who)
    return True


def _has(environ: bytes, entry: bytes) -> bool:
    return b"\0" + entry + b"\0" in b"\0" + environ + b"\0"


def _environ(pid: int) -> bytes:
    """What a process was given, as far as a kernel would give it: its owner can have the file say gigabytes."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return b"".join(iter(lambda: file.read(min(_PIECE, _MOST - file.tell())), b""))
    except OSError:  # ended meanwhile, or somebody else's
        return b""


def _holds(process: str, number: str, wanted: os.stat_result) -> bool:
    """Whether a process's descriptor is of the wanted file, and holds a lock on it."""
    try:
        if not os.path.samestat(os.stat(f"{process}/fd/{number}"), wanted):
            return False
        with open(f"{process}/fdinfo/{number}", encoding="ascii", errors="replace") as file:
            return any(line.startswith("lock:") and "FLOCK" in line for line in file)
    except OSError:  # closed meanwhile
        return False


def need_proc() -> None:
    """Raise `Unsupported` where there is no /proc of Linux."""
    if not sys.platform.startswith("linux"):
        raise Unsupported(
            "cannot look at processes",
            f"this needs Linux's /proc, and this system is {sys.platform}",
            "run updates on a Linux host; only releases are made here",
        )
