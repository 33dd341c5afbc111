"""What the test bed keeps on this machine, outside of every checkout, and who uses it now.

A machine has one bed for each user, whose sessions and xdist workers share it. Whoever uses the bed holds a shared lock
on `users.lock`, which dies with its process; the last one to leave stops what it had started, unless somebody asked for
it to stay (`python -m tests.hosts up`). Whoever changes the bed (installs, starts, makes an image) holds `change.lock`.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fsm.system.processes import Identity, alive, identify

_USERS: Final = "" if os.geteuid() == 0 else f"-{os.geteuid()}"
HOME: Final = Path(os.environ.get("FSM_HOSTS_DIR") or f"/var/tmp/fsm-hosts{_USERS}")
"""Not below a temporary directory of a session: engine, images and packages outlive it. Each user has one."""


class BedError(Exception):
    """The test bed cannot be had here; the message says why."""


def say(message: str) -> None:
    """Tell what the bed is doing, past pytest's capture: making a host takes a while, and nobody likes silence."""
    with suppress(OSError):
        os.write(2, f"tests/hosts: {message}\n".encode())


def home() -> Path:
    """The bed's directory, ours alone: what lies in it is run as root."""
    HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = HOME.lstat()
    if about.st_uid != os.geteuid() or about.st_mode & 0o022 or HOME.is_symlink():
        raise BedError(f"{HOME} can be written by somebody else; remove it, or set FSM_HOSTS_DIR")
    return HOME


@contextmanager
def changing() -> Iterator[Path]:
    """Be the only one who changes the bed. Not re-entrant."""
    with (home() / "change.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield HOME


class Membership:
    """That this process uses the bed."""

    def __init__(self) -> None:
        self._file = (home() / "users.lock").open("a")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def leave(self) -> bool:
        """Stop using the bed.

        Returns:
            Whether nobody else uses it: then nobody else can begin to before `close`.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            return False
        return True

    def close(self) -> None:
        """Let others in again."""
        self._file.close()


def write_identity(path: Path, pid: int) -> None:
    """Remember a process that we started."""
    who = identify(pid)
    path.write_text("" if who is None else who.model_dump_json())


def read_identity(path: Path) -> Identity | None:
    """The process that was remembered, if exactly that one lives."""
    try:
        who = Identity.model_validate_json(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return who if alive(who) else None


def run(
    argv: Sequence[str | Path], *, timeout: float = 60, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """Run a command of the bed itself.

    Returns:
        What it wrote to standard output.

    Raises:
        BedError: it failed, hung, or is not there.
    """
    command = [str(one) for one in argv]
    environ = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=environ,
            cwd=cwd,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BedError(f"cannot run {' '.join(command)[:300]}: {error}") from error
    if done.returncode != 0:
        tail = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise BedError(f"{' '.join(command)[:300]} failed with exit code {done.returncode}: {tail}")
    return done.stdout


def is_root() -> bool:
    """Whether this process may install packages and start an engine."""
    return sys.platform == "linux" and os.geteuid() == 0
