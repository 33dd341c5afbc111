"""Where the commands of a sweep run: the real command line, in a process that reports what it changes.

``python -m tests.sweep.server`` imports everything once. For each request that it reads, a JSON object in a line, it
forks a process that stays the parent of all that the command starts, so that nothing of it is lost sight of, and that
forks the command itself. The answer is the command's exit code; the listener of its calls comes over a socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Final

from tests.boundary.verbs import adopt
from tests.crash import child
from tests.sweep.calls import report_calls

_PR_SET_CHILD_SUBREAPER: Final = 36


def serve(listeners: socket.socket) -> None:
    """Fork a keeper for each line of the input."""
    child.prepare(here=False)
    adopt()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            try:
                _keep(json.loads(line), listeners)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(0)


def _keep(request: dict[str, Any], listeners: socket.socket) -> None:
    """Start the command, answer when it ends, and clear away what it leaves until nothing is left."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child.on_its_host(request)
    command = os.fork()
    if command == 0:
        _command(request, listeners)
    listeners.close()
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == command:
                print(json.dumps({"exit": os.waitstatus_to_exitcode(status)}), flush=True)


def _command(request: dict[str, Any], listeners: socket.socket) -> None:
    from fsm.cli.run import run

    place = Path(request["place"])
    os.setsid()
    for number, name in enumerate(("out", "err"), 1):
        fd = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir("/")
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code = 99
    try:
        if request["traced"]:
            listener = report_calls()
            socket.send_fds(listeners, [b"."], [listener])
            os.close(listener)
        listeners.close()
        code = run(["--config", str(place / "fsm.toml"), *request["words"]])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
