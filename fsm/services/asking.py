"""Asking a program about a service, outside of a step: bounded in time, with its answer apart from its complaints."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fsm.model import Seconds
from fsm.processes import end, identify
from fsm.shell import find_program


class Answer(NamedTuple):
    """How a program ended: its exit code, and what it wrote."""

    code: int
    out: str
    complaint: str


def ask(
    argv: Sequence[str],
    *,
    timeout: Seconds,
    env: Mapping[str, str],
    cwd: Path | None = None,
    quiet: bool = False,
) -> Answer | None:
    """Run a program in a session of its own, and read what it answers.

    Args:
        argv: the program and its arguments.
        timeout: seconds; then it is killed, with what it started.
        env: its whole environment.
        cwd: its working directory.
        quiet: nobody reads its output; for programs that may leave a copy of it open.

    Returns:
        The answer; None when it had to be killed.

    Raises:
        CommandFailed: there is no such program.
    """
    import subprocess  # noqa: PLC0415 - 8 ms that only those pay who have such a service

    program = find_program(argv, cwd=cwd, search=env.get("PATH"))
    stream = subprocess.DEVNULL if quiet else subprocess.PIPE
    with subprocess.Popen(
        [program, *argv[1:]],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=stream,
        start_new_session=True,
    ) as child:
        who = identify(child.pid)
        try:
            out, complaint = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if child.returncode is None and who is not None:
                end(who, grace=0, first=signal.SIGKILL)
    return Answer(child.returncode, *(text.decode("utf-8", "replace") if text else "" for text in (out, complaint)))
