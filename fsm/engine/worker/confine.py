"""What a worker gives up before it does anything: it has become the user already, and never more than that again."""

from __future__ import annotations

import os
from typing import Final

from fsm.system.processes import children_end_with_this_process
from fsm.system.processes.dying import end_with, prctl

# include/uapi/linux/prctl.h
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

MANY_FILES: Final = 65536


def confine(parent: int) -> None:  # pragma: no cover - in a process of its own, which tests look at from outside
    """Gain no rights by any program, be looked into by nobody, leave no core, and die with the engine.

    Comes after the change of the user, which undoes the last of these.

    Args:
        parent: the engine's process.

    Raises:
        OSError: the kernel refuses.
        SystemExit: the engine is gone already.
    """
    import resource  # noqa: PLC0415 - not on Windows, which imports everything as well

    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, MANY_FILES), hard))
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    prctl(_PR_SET_DUMPABLE, 0)
    end_with(parent)
    children_end_with_this_process()
