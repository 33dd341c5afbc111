"""A process that becomes a component's user's worker, started before it is known which user's.

A worker takes as long to start as the engine itself, most of it in loading the same modules. So a command line that
will touch somebody else's component starts a spare one first, as root and with next to no environment, and loads the
engine meanwhile. The first worker that is wanted (`fsm.engine.worker.process`) takes it; one that nobody takes ends
with the engine. Imports next to nothing, as it stands before everything else.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ENTRY: Final = Path(__file__).parent / "worker" / "entry.py"

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
"""Until it knows its user."""


class Launched:
    """A process, in a thread that waits for its end.

    The kernel ends a worker when the thread ends that started it, not only with the whole engine: so each has a thread
    that lives as long as it does, whoever asks for it.

    Args:
        words: the arguments of the worker's program.
        line: its end of the socket.
        log: the descriptor that its output goes to.
        name: for the thread.
        options: of `subprocess.Popen`.

    Attributes:
        broken: why it could not be started.
        pid: its number; None if it could not be started.
    """

    def __init__(self, words: Sequence[str], line: int, log: int, name: str, **options: Any) -> None:
        self.broken: OSError | None = None
        self.pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # "fsm" itself may not be installed for that Python: it finds everything where this one does.
        paths = [path for path in sys.path if os.path.isabs(path)]
        argv = [sys.executable, "-I", str(ENTRY), str(os.getpid()), *words, *paths]
        begun = threading.Event()
        files = {"stdin": line, "stdout": log, "stderr": log}
        work = (argv, {**options, **files}, begun)
        threading.Thread(target=self._attend, args=work, name=f"fsm worker {name}", daemon=True).start()
        begun.wait()

    def _attend(self, argv: list[str], options: Mapping[str, Any], begun: threading.Event) -> None:
        try:
            self._process = subprocess.Popen(argv, cwd="/", start_new_session=True, **options)
            self.pid = self._process.pid
        except OSError as error:
            self.broken = error
        finally:
            begun.set()
        if self._process is not None:
            self._process.wait()

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def code(self) -> int | None:
        """How it ended: its exit code, or minus a signal's number; None while it runs, and if it never did."""
        return None if self._process is None else self._process.returncode


class Ends(NamedTuple):
    """What the engine has of a worker.

    Attributes:
        socket: its end of the line to it.
        log: the descriptor that its output comes from.
        launched: the process.
    """

    socket: socket.socket
    log: int
    launched: Launched

    def close(self) -> None:
        """Let go of it, which ends it."""
        self.socket.close()
        os.close(self.log)


def launch(words: Sequence[str], name: str, **options: Any) -> Ends:
    """Start a worker's program, with a line to it.

    Args:
        words: its arguments.
        name: for people who look at threads.
        options: of `subprocess.Popen`.
    """
    ours, theirs = socket.socketpair()
    log, written = os.pipe()
    try:
        return Ends(ours, log, Launched(words, theirs.fileno(), written, name, **options))
    finally:
        theirs.close()
        os.close(written)


_lock = threading.Lock()
_waiting: list[Ends] = []


def start(types: Sequence[str]) -> None:
    """Start one.

    Args:
        types: the component types that it should load.
    """
    ends = launch(["", ",".join(sorted(types))], "without a user", env=ENVIRONMENT)
    with _lock:
        _waiting.append(ends)


def take() -> Ends | None:
    """One that lives, for whoever comes first; None if there is none."""
    with _lock:
        ends = _waiting.pop() if _waiting else None
    if ends is None or ends.launched.lives:
        return ends
    ends.close()
    return None
