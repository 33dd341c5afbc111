"""The signals that a child begins with.

What a process ignores its children ignore, through exec as well. A shell starts a job in the background with SIGINT and
SIGQUIT ignored, `nohup` with SIGHUP, and Python ignores SIGPIPE and SIGXFSZ; none of that is meant for the children.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

PYTHONS: Final = frozenset(getattr(signal, name, None) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"))
"""What Python itself ignores."""

_tied: list[bool] = []
"""Whether what this process asks ends with it; empty for no."""


def children_end_with_this_process() -> None:
    """From now on, for what `before_exec` is used with: a worker whose engine was killed leaves nothing behind.

    What a run starts is different: the journal knows it, and a resume ends it with all that it has started itself.
    """
    _tied[:] = [True]


def ignored_signals() -> list[signal.Signals]:
    """Those that this process ignores."""
    return [signum for signum in signal.valid_signals() if signal.getsignal(signum) is signal.SIG_IGN]


def default_signals(but: Collection[object] = ()) -> None:  # pragma: no cover - runs in a child
    """Give every ignored signal its default action, and block none.

    Args:
        but: signals that stay ignored: `PYTHONS` where no other program follows.
    """
    for signum in ignored_signals():
        if signum not in but:
            signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _begin_tied(parent: int) -> None:  # pragma: no cover - as above
    from fsm.system.processes.dying import end_with  # noqa: PLC0415 - loaded before the fork

    default_signals()
    end_with(parent)


def before_exec() -> Callable[[], None] | None:
    """`preexec_fn` for `subprocess`, where one is needed: that module takes care of Python's own two.

    None lets it use vfork, which is quicker.
    """
    if _tied:
        return partial(_begin_tied, os.getpid())
    return default_signals if set(ignored_signals()) - PYTHONS else None
