"""Whoever is asked about each state-changing call of a run, counts them, and strikes at one of them."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.sweep.calls import CALLS, Call

Mode = Literal["kill", "kill-one", "kill-all", "eio", "enospc", "erofs", "emfile", "eintr"]

ERRORS: Final = {
    "eio": errno.EIO,
    "enospc": errno.ENOSPC,
    "erofs": errno.EROFS,
    "emfile": errno.EMFILE,
    "eintr": errno.EINTR,
}

INTERRUPTED: Final = 1.0
"""Seconds for which EINTR lasts: Python, SQLite and git try again for as long as it is the answer."""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_ASKED, _ANSWER = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI")
_GO_ON: Final = 1


@dataclass(frozen=True)
class Fault:
    """What happens at which call.

    Attributes:
        mode: all processes of the run are killed except for services; the one that calls; all of them; or its error.
        at: the call's number, from 1, over all processes.
        lasting: of an error: whether later calls get it as well, until the run ends or, with EINTR, for a second.
    """

    mode: Mode
    at: int
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"

    @property
    def kind(self) -> str:
        """Mode and duration, for people."""
        return f"{self.mode}{', lasting' * self.lasting}"


NOTHING: Final = Fault("kill", sys.maxsize)
"""A run whose calls are counted."""


@dataclass(frozen=True)
class Seen:
    """A call that was counted."""

    number: int
    pid: int
    program: str
    call: str
    about: str
    service: bool

    def __str__(self) -> str:
        return f"{self.number}: {self.program}[{self.pid}] {self.call} {self.about}"


@dataclass
class Notifier(threading.Thread):
    """Answers for one run, until the last of its processes has ended.

    Attributes:
        root: the host's directory; what lies elsewhere is nothing that counts.
        fault: what happens; None: calls are only counted.
        kill: kills processes of the run: all, or all but its services, never this one.
        seen: the calls.
        struck: those at which something happened.
        over: set when the command has ended: from then on nothing happens any more.
    """

    root: Path
    fault: Fault | None
    kill: Callable[[Mode, int], None]
    seen: list[Seen] = field(default_factory=list)
    struck: list[Seen] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._since = 0.0

    __hash__ = object.__hash__

    def listen(self, listener: int) -> None:
        """Begin: calls are reported there; it is closed at the end."""
        self._listener = listener
        self.start()

    def run(self) -> None:
        """Answer."""
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        while True:
            (_, happened), *_ = poller.poll()
            if happened & select.POLLIN:
                with suppress(FileNotFoundError, InterruptedError):  # it was killed meanwhile
                    self._one()
            elif happened:
                break
        os.close(self._listener)

    def _one(self) -> None:
        asked = bytearray(_ASKED.size)
        fcntl.ioctl(self._listener, _RECEIVE, asked)
        number, pid, _, call, _, _, *arguments = _ASKED.unpack(asked)
        error = self._decide(pid, CALLS[call], arguments)
        if error is not None:
            answer = _ANSWER.pack(number, 0, -error, 0 if error else _GO_ON)
            fcntl.ioctl(self._listener, _SEND, bytearray(answer))

    def _decide(self, pid: int, call: Call, arguments: list[int]) -> int | None:
        """The error that the call has; 0: it is executed; None: nobody waits for an answer any more."""
        about = "" if self.over.is_set() else self._about(pid, call, arguments)
        if not about:
            return 0
        seen = Seen(len(self.seen) + 1, pid, _program(pid), call.name, about, serves(pid))
        self.seen.append(seen)
        fault = self.fault
        if fault is None or seen.number < fault.at:
            return 0
        if fault.mode not in ERRORS:
            if self.struck:
                return 0
            self.struck.append(seen)
            self.kill(fault.mode, pid)
            return None
        if not self._hits(fault, call, seen):
            return 0
        self.struck.append(seen)
        return ERRORS[fault.mode]

    def _hits(self, fault: Fault, call: Call, seen: Seen) -> bool:
        if call.signals or seen.service or (self.struck and not fault.lasting):
            return False
        if not self.struck:
            self._since = time.monotonic()
        elif fault.mode == "eintr":
            return time.monotonic() < self._since + INTERRUPTED
        if fault.mode == "emfile":
            return call.opens
        return fault.mode != "enospc" or call.allocates

    def _about(self, pid: int, call: Call, arguments: list[int]) -> str:
        """What a call is about, for people; nothing, where it changes nothing of this host."""
        with suppress(OSError):
            if call.signals:
                return " ".join(str(each) for each in arguments[:2])
            names = [os.readlink(f"/proc/{pid}/fd/{arguments[each] & 0x7FFFFFFF}") for each in call.files]
            names += [_path(pid, arguments[path], arguments[at] if at >= 0 else -100) for path, at in call.paths]
            if not names or any(self._ours(name) for name in names):
                return " ".join(name.removeprefix(f"{self.root}/") for name in names)
        return ""

    def _ours(self, name: str) -> bool:
        return name.startswith(f"{self.root}/")


def _path(pid: int, address: int, directory: int) -> str:
    name = os.fsdecode(_text(pid, address))
    if name.startswith("/"):
        return os.path.normpath(name)
    relative = directory & 0xFFFFFFFF
    where = os.readlink(f"/proc/{pid}/cwd" if relative == 0xFFFFFF9C else f"/proc/{pid}/fd/{relative}")
    return os.path.normpath(f"{where}/{name}")


def _text(pid: int, address: int) -> bytes:
    if address == 0:
        return b""
    text = b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        while b"\0" not in text and len(text) < 4096:
            memory.seek(address + len(text))
            text += memory.read(256 - (address + len(text)) % 256)
    return text.partition(b"\0")[0]


def _program(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "?"


def serves(pid: int) -> bool:
    """Whether a process is an app of the tests, and not what launches it."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:4] == [b"-S", b"-I", b"serve.py"]
    return False
