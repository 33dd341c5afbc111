"""Running a command until it ends, or until it is to end: the deadline, the polling, the killing."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from fsm.errors import CommandFailed, DeadlineExceeded
from fsm.model import Seconds
from fsm.step import CommandResult
from fsm.system import faults
from fsm.system.inherited import inherited
from fsm.system.processes import Identity, end, group, with_environment
from fsm.system.shell.orphans import Child
from fsm.system.shell.output import Output, Redactor
from fsm.system.shell.programs import CALL, MARKER, SERVICE, find_program
from fsm.system.shell.running import ENDED_EARLY, Running

_POLL: Final = 0.1
_LEFTOVER_GRACE: Final = 0.5
_calls = itertools.count(1)


class Shell:
    """Runs commands for one run of the updater; may be used by several threads.

    Args:
        marker: unique for the run; children carry it as ``FSM_RUN=<marker>``.
        record: told of every child right after its start.
        poll: asked at least every 100 ms; what it raises ends the child and is raised again.
        secrets: texts that appear nowhere in output, tail and errors.
        output: file that the output is appended to, at most 16 MiB, or a descriptor that leads there; None: nowhere.
        grace: seconds between TERM and KILL.
    """

    def __init__(
        self,
        *,
        marker: str,
        record: Callable[[Child], None],
        poll: Callable[[], None],
        secrets: Sequence[str] = (),
        output: Path | int | None = None,
        grace: Seconds = 5.0,
    ) -> None:
        self._marker = marker
        self._record = record
        self._poll = poll
        self._secrets = tuple(secrets)
        self._output = output
        self._grace = grace

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds,
    ) -> CommandResult:
        """Run a program until it ends; `fsm.adapter.StepContext.run` tells the rest.

        A program that is to leave something running (the start command of a service) is run with
        `fsm.system.shell.UNMARKED` as `env`: what it leaves behind is neither marked nor ended.

        Args:
            argv: the program and its arguments; no shell. A relative path is relative to `cwd`.
            cwd: its working directory.
            env: variables to add to the environment.
            timeout: seconds.

        Returns:
            The exit code (minus the signal's number where a signal ended it) and the last 64 KiB of the output.

        Raises:
            CommandFailed: the program could not be started.
            DeadlineExceeded: it was ended because time was up.
        """
        redactor = Redactor(self._secrets)
        name = redactor.text(argv[0]) if argv else ""
        if timeout <= 0:
            raise DeadlineExceeded(f"cannot run {name}", "no time is left for it", "raise the step's timeout")
        call = f"{self._marker}.{os.getpid()}.{next(_calls)}"
        environ = self._environment(env or {}, call)
        program = find_program(argv, cwd=cwd, search=environ.get("PATH"))
        # Not its arguments: a configuration may have put a secret there.
        output = Output(redactor, self._output, name)
        try:
            child = Running([program, *argv[1:]], cwd, environ, output, redactor)
            code = self._attend(child, name, timeout)
            if MARKER in environ:
                _end_leftovers(child, min(self._grace, _LEFTOVER_GRACE))
        finally:
            output.close()
        return CommandResult(code=code, tail=output.tail())

    def _attend(self, child: Running, name: str, timeout: Seconds) -> int:
        """From the child's start to its end, whoever causes it; returns its exit code."""
        finished = False
        try:
            faults.point("shell.started")
            if child.identity.start_time != ENDED_EARLY:
                self._record(Child(identity=child.identity, argv0=name))
            faults.point("shell.recorded")
            finished = self._wait(child, time.monotonic() + timeout)
        finally:
            # Also on the way out of an exception, whatever it is: the child must not outlive it.
            try:
                if not finished:
                    self._end(child)
            finally:
                child.reap()
                child.output.finish()
        faults.point("shell.ended")
        if not finished:
            raise _too_slow(name, timeout, child)
        if child.code is None:
            raise CommandFailed(
                f"cannot tell how {name} ended",
                "another part of this program collected its exit code",
                "ignore no SIGCHLD and wait for no foreign children in the program that embeds the updater",
            )
        return child.code

    def _wait(self, child: Running, limit: float) -> bool:
        """Read and poll until the child ends; False when the time is up."""
        asked = 0.0
        while child.running():
            now = time.monotonic()
            if now >= limit:
                return False
            if now >= asked + _POLL / 2:
                self._poll()
                asked = now
            child.sleep(min(_POLL, limit - now))
        child.output.drain()
        return True

    def _end(self, child: Running) -> None:
        """End the child, its group, and what left the group but still carries the call's mark."""

        def others() -> list[Identity]:
            return [*group(child.identity), *with_environment(child.mark)]

        try:
            end(child.identity, grace=self._grace, also=others, poll=child.drain)
        except BaseException:  # a second Ctrl-C during the grace: no more waiting, but nothing stays either
            end(child.identity, grace=0, first=signal.SIGKILL, also=others)
            raise

    def _environment(self, extra: Mapping[str, str], call: str) -> dict[str, str]:
        """The updater's environment, one language, no questions, what the step adds, and the marks."""
        merged = {**inherited(), "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", **extra}
        # Where a service runs the updater that stops it, that stop must not end the updater's own commands.
        merged.pop(SERVICE, None)
        if extra.get(MARKER) == "":
            return {key: value for key, value in merged.items() if key not in {MARKER, CALL}}
        return {**merged, MARKER: self._marker, CALL: call}


def _end_leftovers(child: Running, grace: Seconds) -> None:
    """End what the child left in its group: it would go on working beside the next step."""
    left = group(child.identity)
    if left:
        end(*left, grace=grace, also=lambda: group(child.identity), poll=child.drain)


def _too_slow(name: str, timeout: Seconds, child: Running) -> DeadlineExceeded:
    last = child.output.last_line()
    said = f"its last output was: {last}" if last else "it printed nothing"
    gone = "it was killed" if child.code is not None else "it could not be killed because it hangs in the kernel"
    return DeadlineExceeded(
        f"cannot finish {name}",
        f"it was still running after {timeout:g} s and {gone}; {said}",
        "find out what it waits for, or raise the step's timeout",
    )
