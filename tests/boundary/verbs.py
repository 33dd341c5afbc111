"""The real command line, in a process of its own, and what it said.

Everything is imported once and each command is a fork: that saves most of its time. What a command starts becomes a
child of this process when its own parent ends (``PR_SET_CHILD_SUBREAPER``), so nothing of it is lost sight of.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import fsm
from tests.boundary.canary import MARKERS

LIMIT: Final = 60.0
"""Seconds in which a command must have ended: all deadlines of the scenes, and ten more for each of two workers."""

TYPES: Final = ("fsm_python_app", "fsm_git", "fsm_container")

ENVIRONMENT_MARKER: Final = "FSM_BOUNDARY_SECRET"

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_MEMORY: Final = 6 << 30


@dataclass(frozen=True)
class Said:
    """How a command ended.

    Attributes:
        words: the command.
        code: its exit code; negative: the signal that ended it; None: it did not end in time.
        seconds: how long it took.
        out: what it wrote to standard output.
        err: what it wrote to standard error.
        killed: whether it was this process that killed it.
    """

    words: tuple[str, ...]
    code: int | None
    seconds: float
    out: str
    err: str
    killed: bool = False

    @property
    def all(self) -> str:
        """Everything that it wrote."""
        return self.out + self.err


def adopt() -> None:
    """Become the parent of every orphan, and import what commands need."""
    for package in (fsm, *(importlib.import_module(name) for name in TYPES)):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    gc.freeze()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def perform(private: Path, words: tuple[str, ...], *, cwd: Path = Path("/"), kill_after: float | None = None) -> Said:
    """Run one command line to its end, to `kill_after` seconds, or to the limit."""
    began = time.monotonic()
    pid = started(private, words, cwd)
    until = began + (LIMIT if kill_after is None else kill_after)
    code = wait(pid, until)
    killed = code is None
    if killed:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        code = -signal.SIGKILL if kill_after is not None else None
    out, err = ((private / name).read_bytes().decode(errors="surrogateescape") for name in ("out", "err"))
    return Said(words, code, time.monotonic() - began, out, err, killed and kill_after is not None)


def started(private: Path, words: tuple[str, ...], cwd: Path = Path("/"), *, gate: int | None = None) -> int:
    """Begin a command.

    Args:
        gate: a pipe's end; the command waits until something can be read there.
    """
    for name in ("out", "err"):
        (private / name).write_bytes(b"")

    def command() -> int:
        if gate is not None:
            os.read(gate, 1)
        return _command(private / "fsm.toml", words, cwd, (private / "out", private / "err"))

    return forked(command)


def _command(config: Path, words: tuple[str, ...], cwd: Path, outputs: tuple[Path, Path]) -> int:
    from fsm.cli.run import run

    for number, path in enumerate(outputs, 1):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    with suppress(OSError):
        os.chdir(cwd)
    os.umask(0o022)
    os.environ[ENVIRONMENT_MARKER] = MARKERS["the updater's environment"].decode()
    os.environ["NO_COLOR"] = "1"
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = run(["--config", str(config), *words])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def die_with_parent() -> None:
    """End with the process that made this one; comes after a change of the user, which undoes it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def forked(what: Callable[[], int]) -> int:
    """Do something in a process of its own, which ends with what it returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    code = 99
    try:
        code = what()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def wait(pid: int, until: float) -> int | None:
    """The exit code of a child; None if it has not ended by then. Other children that ended are cleared away."""
    pause = 0.001
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def descendants(ancestor: int = 0) -> dict[int, int]:
    """All processes that come from one, without a word this one, and whose they are."""
    parents: dict[int, tuple[int, int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, ValueError):
            stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if stat[0] != "Z":
                parents[int(name)] = int(stat[1]), os.stat(f"/proc/{name}").st_uid
    found: dict[int, int] = {}
    grown = {ancestor or os.getpid()}
    while grown:
        grown = {pid for pid, (parent, _) in parents.items() if parent in grown and pid not in found}
        found |= {pid: parents[pid][1] for pid in grown}
    return found


def named(program: str) -> set[int]:
    """Those of them that are called so."""
    found = set()
    for pid in descendants():
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == program:
                found.add(pid)
    return found


def end_all(but: Set[int] = frozenset()) -> None:
    """End all of them, except these."""
    until = time.monotonic() + 10
    while (left := descendants().keys() - but) and time.monotonic() < until:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.002)
    reap()


def reap() -> None:
    """Clear away children that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
