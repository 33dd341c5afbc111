"""`fsm` with a hand on its fault points: ``resume_child.py kill POINT ARGS...``, ``resume_child.py mark FILE ARGS...``.

Does what the installed script `fsm` does. With `kill` it dies by SIGKILL at a fault point; with `mark` it writes the
monotonic clock into FILE when the first step's `do` is about to be called, and ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from fsm.cli import main
from fsm.system import faults


def kill(name: str) -> None:
    """Die at the point that the command line names."""
    if name == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


def mark(name: str) -> None:
    """Say when the step began."""
    if name == "step.before_do":
        now = time.monotonic()
        with open(POINT, "w", encoding="ascii") as file:
            file.write(repr(now))
        os._exit(0)


if __name__ == "__main__":
    POINT = sys.argv[2]
    faults.install({"kill": kill, "mark": mark}[sys.argv[1]])
    sys.argv[1:] = sys.argv[3:]
    sys.exit(main())
