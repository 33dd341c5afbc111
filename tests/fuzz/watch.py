"""What no input may do to a reader: end it by anything but the product's errors, take long, need much, write elsewhere.

An input is examined in a process that does nothing else: time is that process's CPU time, and memory what its peak grew
by. Python's audit events (https://peps.python.org/pep-0578/) tell of files, processes and sockets; what C code writes
is found by a look at the directory that the target works in.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from fsm.errors import FsmError

SECONDS: Final = 1.0
"""CPU time that one input may take."""

MEMORY: Final = 200 << 20
"""Bytes that one input may make the process grow by."""

_SLACK: Final = 16 << 20
"""The peak is only measured anew when it has grown by this: asking costs more than most inputs."""

_PEAK: Final = re.compile(rb"VmHWM:\s+(\d+) kB")
"""Not `getrusage`: its peak is also that of the process which started this one."""

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: Final = {
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 2),
}
"""Events that change files, and how many of their first arguments are paths; what a link says is none."""
_OTHERS: Final = ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.connect")


class Finding(Exception):
    """What an input did that no input may do."""


class Watch:
    """Looks at what a target does. One for a process: an audit hook cannot be taken away.

    Args:
        home: the only directory that may be written to; it becomes the working directory.
    """

    def __init__(self, home: Path) -> None:
        self._home = os.path.realpath(home)
        self._armed = False
        self._seen: list[str] = []
        self._peak = 0
        os.chdir(home)
        sys.addaudithook(self._hear)

    def examine(self, run: Callable[[bytes], None], data: bytes) -> None:
        """Give one input to a target.

        Raises:
            Finding: it took too long, needed too much, or touched what is outside.
            Exception: whatever the product raised that is none of its errors, or the target's `AssertionError`.
        """
        peak, begun = self._memory(), time.process_time()
        with self._listening(), suppress(FsmError):
            run(data)
        took, grown = time.process_time() - begun, peak_memory() - peak
        if self._seen:
            raise Finding(f"touched what is outside: {self._seen[0]}")
        if took > SECONDS:
            raise Finding(f"took {took:.1f} s")
        if grown > MEMORY:
            raise Finding(f"needed {grown >> 20} MiB")

    def _memory(self) -> int:
        """The peak that this input begins with."""
        now = peak_memory()
        if now > self._peak + _SLACK:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")
            now = self._peak = peak_memory()
        return now

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._seen.clear()
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._armed:
            return
        if event in _OTHERS:
            self._seen.append(f"{event} {str(arguments)[:200]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._judge(event, arguments[0])
        elif event in _CHANGES:
            paths = arguments[1:2] if event == "os.symlink" else arguments[: _CHANGES[event]]
            for path in paths:
                self._judge(event, path)

    def _judge(self, event: str, path: Any) -> None:
        """A relative path lies in `home`, or below a descriptor that was opened there, if nothing in it leads up."""
        if isinstance(path, int):
            return
        name = os.fsdecode(path)
        whole = os.path.normpath(os.path.join(self._home, name))
        inside = whole == self._home or whole.startswith(f"{self._home}/")
        if not inside or ".." in name.split("/"):
            self._seen.append(f"{event} {name[:200]!r}")


def peak_memory() -> int:
    """Bytes of memory that this process has had at most, since that was forgotten last; 0 where nobody tells."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as status:
            told = _PEAK.search(status.read(4096))
    except OSError:
        return 0
    return int(told[1]) << 10 if told else 0
