"""The signals that a child begins with.

What a process ignores its children ignore, through exec as well. A shell starts a job in the background with SIGINT and
SIGQUIT ignored, `nohup` with SIGHUP, and Python ignores SIGPIPE and SIGXFSZ; none of that is meant for the children.
"""

from __future__ import annotations

import signal
from collections.abc import Callable


def ignored_signals() -> list[signal.Signals]:
    """Those that this process ignores."""
    return [signum for signum in signal.valid_signals() if signal.getsignal(signum) is signal.SIG_IGN]


def default_signals() -> None:  # pragma: no cover - runs in the child, between fork and exec
    """Give every ignored signal its default action, and block none."""
    for signum in ignored_signals():
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def before_exec() -> Callable[[], None] | None:
    """`preexec_fn` for `subprocess`, where one is needed: that module takes care of Python's own two.

    None lets it use vfork, which is quicker.
    """
    own = {getattr(signal, name, None) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ")}
    return default_signals if set(ignored_signals()) - own else None
