"""A process of another uid that plants things before a command, and goes on while it runs.

It knows the paths that the updater touches. What it does over and over: it exchanges a path with a link in one system
call (``renameat2``), plants something as soon as a path is there, or puts a link where a path is about to be made. It
also does what its uid may do to processes: read them, stop them, end them.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.boundary.canary import MARKERS
from tests.boundary.plants import Arms, plant
from tests.boundary.verbs import descendants, die_with_parent, forked

Moment = Literal["before", "exchange", "when there", "when missing", "locks", "spy", "kill", "stop"]

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_PAUSE: Final = 0.0001
_TRY: Final = 2
"""Seconds that planting one thing may take."""


@dataclass(frozen=True)
class Deed:
    """What is done to one path.

    Attributes:
        path: relative to the host.
        kind: of what is planted (`plants.plant`).
        moment: once before the command, or over and over while it runs.
    """

    path: str
    kind: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment}: {self.kind} at {self.path}"


class Attacker:
    """The process, from `begin` to `end`.

    Args:
        uid: whose it is.
        host: the directory that the deeds' paths begin at.
        arms: what it plants.
        loot: a file, writable by everybody, for what it was able to read and should not.
    """

    def __init__(self, uid: int, host: Path, arms: Arms, loot: Path) -> None:
        self._uid, self._host, self._arms, self._loot = uid, host, arms, loot
        self.pid = 0

    def begin(self, deeds: Sequence[Deed]) -> None:
        """Plant what is to be there before, and go on with the rest; returns when the former is done."""
        reading, writing = os.pipe()
        self.pid = forked(lambda: self._work(deeds, writing))
        os.close(writing)
        with open(reading, "rb") as pipe:
            pipe.read(1)

    def end(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _work(self, deeds: Sequence[Deed], ready: int) -> int:
        os.setsid()
        os.setgroups([])
        os.setresgid(self._uid, self._uid, self._uid)
        os.setresuid(self._uid, self._uid, self._uid)
        die_with_parent()
        os.chdir("/")
        os.umask(0)
        signal.signal(signal.SIGALRM, _too_long)
        for deed in deeds:
            if deed.moment == "before":
                with suppress(OSError):
                    self._plant(deed.kind, self._host / deed.path)
        os.write(ready, b".")
        os.close(ready)
        loops = [self._loop(deed) for deed in deeds if deed.moment != "before"]
        while True:
            for loop in loops:
                with suppress(OSError, StopIteration):
                    next(loop)
            time.sleep(_PAUSE if loops else 1)

    def _plant(self, kind: str, path: Path) -> None:
        """Plant something; where the other attacker has put a pipe, nobody is to wait for its other end."""
        signal.alarm(_TRY)
        try:
            plant(kind, path, self._arms)
        finally:
            signal.alarm(0)

    def _loop(self, deed: Deed) -> Iterator[None]:
        path = self._host / deed.path
        ways: dict[str, Callable[[], Iterator[None]]] = {
            "exchange": lambda: self._exchange(path, deed.kind),
            "when there": lambda: self._when_there(path, deed.kind),
            "when missing": lambda: self._when_missing(path, deed.kind),
            "locks": lambda: self._lock(path),
            "spy": self._spy,
            "kill": lambda: self._signal(signal.SIGKILL),
            "stop": lambda: self._signal(signal.SIGSTOP),
        }
        return ways[deed.moment]()

    def _exchange(self, path: Path, kind: str) -> Iterator[None]:
        """Exchange what is there with a plant beside it, for ever."""
        rename = ctypes.CDLL(None).renameat2
        while True:
            here = _now(path)
            twin = here.with_name(f".{path.name}~twin")
            one, other = os.fsencode(here), os.fsencode(twin)
            if rename(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) != 0 and not os.path.lexists(other):
                self._plant(kind, twin)
            yield

    def _when_there(self, path: Path, kind: str) -> Iterator[None]:
        """Wait until something is there, and replace it at once; again after a while."""
        while True:
            while not os.path.lexists(here := _now(path)):
                yield
            self._plant(kind, here)
            for _ in range(2000):
                yield

    def _when_missing(self, path: Path, kind: str) -> Iterator[None]:
        """Be first wherever something is about to be made."""
        name, parent = os.fsencode(path), os.fsencode(path.parent)
        while True:
            if not os.path.lexists(name) and os.path.isdir(parent):
                self._plant(kind, path)
            yield

    def _lock(self, path: Path) -> Iterator[None]:
        """Hold every kind of lock on a file that can be opened."""
        held = []
        while True:
            with suppress(OSError):
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                held.append(fd)
                self._note_opened(path)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                while True:
                    yield
            yield

    def _spy(self) -> Iterator[None]:
        """Look for secrets in every process, and in everything of the updater's that can be read."""
        while True:
            for name in filter(str.isdigit, os.listdir("/proc")):
                for part in ("environ", "cmdline"):
                    with suppress(OSError):
                        self._look(Path(f"/proc/{name}/{part}"), 1 << 18)
            yield
            for path in (self._host / "state").rglob("*"):
                with suppress(OSError):
                    if path.is_file():
                        self._look(path, 1 << 22)
            yield

    def _look(self, path: Path, most: int) -> None:
        with open(path, "rb") as file:
            text = file.read(most)
        if path.is_relative_to(self._host):
            self._note_opened(path)
        for what, marker in MARKERS.items():
            if marker in text:
                self._note(f"found {what} in {path.name}")

    def _note_opened(self, path: Path) -> None:
        """Note what is the updater's own; a file that was handed over may be opened."""
        if os.stat(path).st_uid != self._uid:
            self._note(f"opened {path.relative_to(self._host)}")

    def _note(self, text: str) -> None:
        with open(self._loot, "a") as loot:
            loot.write(f"{text}\n")

    def _signal(self, number: int) -> Iterator[None]:
        """Stop or end every process of this uid that is not this one."""
        seen = {os.getpid()}
        while True:
            for pid, uid in descendants(os.getppid()).items():
                if uid == self._uid and pid not in seen:
                    with suppress(OSError):
                        os.kill(pid, number)
                        seen.add(pid)
            yield


def _too_long(*_: object) -> None:
    raise TimeoutError


def _now(path: Path) -> Path:
    """A path whose star stands for what is there now."""
    if "*" not in str(path):
        return path
    for place in (path, *path.parents):
        if "*" in place.name:
            found = next((one for one in place.parent.glob(place.name) if not one.name.endswith("~twin")), place)
            return _now(Path(str(path).replace(str(place), str(found), 1))) if found != place else path
    return path
