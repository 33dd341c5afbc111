"""Asking a program something: short, read-only, in and outside of runs.

What is asked changes nothing, so nothing is journaled, and the answer (which may be larger than what a `Shell` keeps,
and may hold secrets) goes to the caller alone: not to the run's log. Output and complaints come apart, so that an
answer can be parsed. `talk` is for a program that only leads to somebody else, who is asked through it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fsm.errors import CommandFailed, DeadlineExceeded
from fsm.model import Seconds
from fsm.system.digest import Check, no_check
from fsm.system.exit_codes import exited
from fsm.system.inherited import inherited
from fsm.system.processes import before_exec, end, group, identify
from fsm.system.shell.programs import CALL, MARKER, SERVICE, find_program

if TYPE_CHECKING:
    import socket
    import subprocess

_PATIENCE: Final[Seconds] = 0.2
"""Time between two looks at whether it is time to stop."""

ANSWER: Final = 256 * 1024 * 1024
"""Bytes that an answer may have: the names of some million files."""

_COMPLAINT: Final = 4096
"""Bytes of the end of what a program complains of that are kept."""


class Asked(NamedTuple):
    """What a program answered.

    Attributes:
        code: its exit code.
        out: what it wrote to stdout.
        complaint: the last line that it wrote to stderr.
    """

    code: int
    out: bytes
    complaint: str


def ask(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: Seconds = 30.0,
    limit: int = ANSWER,
    check: Check = no_check,
) -> Asked:
    """Run a program that only looks, until it ends; with its whole process group it ends when time is up.

    Args:
        argv: the program and its arguments; no shell.
        cwd: its working directory.
        env: variables to add to the environment.
        timeout: seconds.
        limit: bytes that it may answer; who writes more is ended.
        check: called while it runs; what it raises ends it.

    Raises:
        CommandFailed: it could not be started, or it wrote more than `limit`.
        DeadlineExceeded: it was ended because time was up.
    """
    import subprocess  # noqa: PLC0415 - 8 ms that only those pay who ask

    until = time.monotonic() + timeout
    child = _start(argv, cwd, env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    who = identify(child.pid)
    if os.name == "nt":  # pragma: no cover - pipes cannot be waited for there, and nobody else is on such a host
        out, complaints = child.communicate(timeout=timeout)
        return Asked(child.returncode, out, _last_line(complaints))
    with closing(_Heard(child)) as heard:
        try:
            while not heard.all(min(_PATIENCE, until - time.monotonic())):
                check()
                if len(heard.out) > limit:
                    raise CommandFailed(
                        f"cannot use what {argv[0]} answers",
                        f"it has more than {limit:,} bytes",
                        "find out why it does not end",
                    )
                if time.monotonic() >= until:
                    raise DeadlineExceeded(
                        f"cannot finish {argv[0]}",
                        f"it did not answer within {timeout:g} s",
                        "find out what it waits for",
                    )
        finally:
            if child.returncode is None and who is not None:
                end(who, grace=0, first=signal.SIGKILL, also=lambda: group(who))
                heard.ended(1)
    return Asked(child.returncode, bytes(heard.out), _last_line(heard.complaints))


class _Heard:
    """What a child writes, as far as it was read: all of the one, the end of the other."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        import selectors  # noqa: PLC0415 - as above

        self.out, self.complaints = bytearray(), bytearray()
        self._child = child
        self._open = selectors.DefaultSelector()
        self._open.register(child.stdout, selectors.EVENT_READ, self.out)  # type: ignore[arg-type] # it is a pipe
        self._open.register(child.stderr, selectors.EVENT_READ, self.complaints)  # type: ignore[arg-type] # as above

    def all(self, seconds: Seconds) -> bool:
        """Read some of what is there; whether the child has ended, and all of it was read. Waits at most so long."""
        if not self._open.get_map():
            return self.ended(seconds)
        for key, _ in self._open.select(max(seconds, 0)):
            data = os.read(key.fd, 1 << 16)
            key.data.extend(data)
            if not data:
                self._open.unregister(key.fileobj)
        del self.complaints[:-_COMPLAINT]
        return False

    def ended(self, seconds: Seconds) -> bool:
        """Whether the child has ended; waits at most so long."""
        import subprocess  # noqa: PLC0415 - as above

        with suppress(subprocess.TimeoutExpired):
            self._child.wait(max(seconds, 0))
        return self._child.returncode is not None

    def close(self) -> None:
        """Close the pipes."""
        self._open.close()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def talk(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[socket.socket]:
    """Speak through a program that hands on what it hears, and what it is answered; it ends when this is left.

    Args:
        argv: the program and its arguments; no shell.
        env: variables to add to the environment.

    Raises:
        CommandFailed: it could not be started.
        ConnectionError: it ended by itself, and the conversation failed by that; with what it complained of.
    """
    import socket  # noqa: PLC0415 - as above
    import subprocess  # noqa: PLC0415 - as above

    ours, its = socket.socketpair()
    with closing(ours):
        with closing(its):
            child = _start(argv, None, env, stdin=its, stdout=its)
        who = identify(child.pid)
        try:
            yield ours
        except TimeoutError:
            raise
        except Exception as error:
            with suppress(subprocess.TimeoutExpired):
                _, complaints = child.communicate(timeout=1)
                raise ConnectionError(_last_line(complaints) or f"{argv[0]} {exited(child.returncode)}") from error
            raise
        finally:
            if child.returncode is None and who is not None:
                end(who, grace=0, first=signal.SIGKILL, also=lambda: group(who))
            with suppress(subprocess.TimeoutExpired, ValueError):  # what was read to its end is closed
                child.communicate(timeout=1)


def _start(
    argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None, *, stdin: Any, stdout: Any
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, and without a run's mark: it belongs to whoever asks."""
    import subprocess  # noqa: PLC0415 - as above

    environ = {**inherited(), "LC_ALL": "C.UTF-8", **(env or {})}
    environ = {key: value for key, value in environ.items() if key not in {MARKER, CALL, SERVICE}}
    program = find_program(argv, cwd=cwd, search=environ.get("PATH"))
    try:
        return subprocess.Popen(
            [program, *argv[1:]],
            cwd=cwd,
            env=environ,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before_exec(),  # noqa: PLW1509 - it takes no lock
        )
    except OSError as error:
        raise CommandFailed(
            f"cannot run {argv[0]}", str(error), "check that it is a program for this system"
        ) from error


def _last_line(complaints: bytes | bytearray) -> str:
    lines = [line.strip() for line in complaints.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else ""
