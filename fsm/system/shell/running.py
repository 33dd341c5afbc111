"""One child of `sh`, from its start until it is reaped.

`sh` with `_bg` raises nothing by itself when `_ok_code` allows every code; codes below 0 are signals. It is given
descriptors of ours as input and output, so that none of its threads reads or writes: they only wait.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fsm.errors import CommandFailed, Unsupported
from fsm.model import Seconds
from fsm.system.processes import Identity, boot_id, default_signals, identify
from fsm.system.processes.ending import KILL_WAIT
from fsm.system.shell.output import Output, Redactor
from fsm.system.shell.programs import CALL

if TYPE_CHECKING:
    from types import ModuleType

    from sh import RunningCommand

ENDED_EARLY: Final = 0
"""The start time of a child that had ended before it could be asked."""


class Running:
    """One child of `sh`, its output and its end.

    Attributes:
        identity: with a start time of 0 if it had ended before it could be asked.
        output: where its output goes.
        mark: the environment entry that it and its descendants carry.
        code: its exit code once it is reaped; None if somebody else reaped it.
    """

    def __init__(
        self, argv: Sequence[str], cwd: Path | None, environ: Mapping[str, str], output: Output, redactor: Redactor
    ) -> None:
        self.output = output
        self.mark = f"{CALL}={environ.get(CALL)}"
        self.code: int | None = None
        boot = boot_id()  # first: where there is no /proc, nothing may be started
        self._command = _start(argv, cwd, environ, output, redactor)
        pid = self._command.pid
        self.identity = identify(pid) or Identity(pid=pid, start_time=ENDED_EARLY, boot_id=boot)
        self._handle = _open_handle(pid)
        self._poller = select.poll()
        self._poller.register(output.read_end, select.POLLIN)
        if self._handle is not None:
            self._poller.register(self._handle, select.POLLIN)

    def running(self) -> bool:
        """Whether the direct child has not ended."""
        return bool(self._command.is_alive())

    def drain(self) -> None:
        """Read what it wrote, so that a full pipe does not keep it from ending."""
        self.output.drain()

    def sleep(self, seconds: Seconds) -> None:
        """Wait for output or for the end, at most this long."""
        if self._handle is None:
            seconds = min(seconds, 0.02)
        for ready, _ in self._poller.poll(seconds * 1000):
            if ready == self.output.read_end and not self.output.drain():
                self._poller.unregister(ready)

    def reap(self) -> None:
        """Collect the exit code and let the threads of `sh` end."""
        if self._handle is not None:
            os.close(self._handle)
        limit = time.monotonic() + KILL_WAIT
        while self.running():
            if time.monotonic() >= limit:
                return  # it hangs in the kernel: a thread of `sh` goes on waiting, we do not
            time.sleep(0.002)
        with suppress(ChildProcessError):
            self._command.wait()
        self.code = self._command.process.exit_code


def _start(
    argv: Sequence[str], cwd: Path | None, environ: Mapping[str, str], output: Output, redactor: Redactor
) -> RunningCommand:
    sh = _import_sh()
    try:
        with open(os.devnull, "rb") as nothing:
            command: RunningCommand = sh.Command(argv[0])(
                *argv[1:],
                _bg=True,
                _bg_exc=False,
                _new_session=True,
                _tty_out=False,
                _tty_in=False,
                _in=nothing,
                _out=output.write_end,
                _err_to_out=True,
                _cwd=None if cwd is None else str(cwd),
                _env=dict(environ),
                _encoding="utf-8",
                _ok_code=range(-128, 256),
                _preexec_fn=default_signals,
            )
            return command
    except (sh.ForkException, sh.CommandNotFound, OSError, RuntimeError) as error:
        _give_up(error)
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "unknown reason")
        raise CommandFailed(
            f"cannot run {redactor.text(argv[0])}",
            redactor.text(reason),
            "check that the file is a program for this system, and that the system can start another process",
        ) from error
    finally:
        output.close_write_end()


def _give_up(error: BaseException) -> None:
    """End and reap the child of a failed start: `sh` 2.4 raises without doing so, and tells its pid nowhere else."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        pid = getattr(frame.f_locals.get("self"), "pid", None)
        if isinstance(pid, int) and pid > 0:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _open_handle(pid: int) -> int | None:
    """A pidfd, which becomes readable when the process ends; None if there is none (old kernel, ended already)."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


@cache
def _import_sh() -> ModuleType:
    try:
        import sh  # noqa: PLC0415 - 60 ms that only those pay who run commands, and Windows cannot import it
    except ImportError as error:
        raise Unsupported(
            "cannot run commands", f"the library sh works on Unix only ({error})", "run updates on a Linux host"
        ) from error
    # At level INFO it logs whole command lines, with whatever secret is in them.
    logging.getLogger("sh").setLevel(logging.CRITICAL)
    return sh
