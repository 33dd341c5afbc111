"""Import every module of the project, as a host without POSIX would.

`--refuse` makes any system look like Windows to our modules: what Windows lacks is taken from `os` and `signal`, and
`fcntl` and its like cannot be imported from here on. Modules of others are imported beforehand; they know Windows.
"""

from __future__ import annotations

import builtins
import importlib
import os
import pkgutil
import signal
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from tools.contracts import component_packages  # noqa: E402 - found by the line above

PACKAGES: Final = ("fsm", *component_packages())
ABSENT: Final = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "sh", "syslog", "termios", "tty"})
LACKING: Final[tuple[tuple[ModuleType, tuple[str, ...]], ...]] = (
    (
        os,
        (
            *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_TMPFILE", "WNOHANG"),
            *("chown", "chroot", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getpgid", "getsid"),
            *("getuid", "getxattr", "killpg", "lchown", "listxattr", "mkfifo", "mknod", "openpty", "posix_fadvise"),
            *("posix_fallocate", "sched_getaffinity", "setsid", "setxattr", "statvfs", "sync", "uname", "wait4"),
        ),
    ),
    (signal, ("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGUSR1")),
)
"""Names of the two modules that Windows does not have (https://docs.python.org/3/library/os.html, "Availability")."""


def modules() -> list[str]:
    """The names of all modules of the project, but those that run when imported."""
    found = list(PACKAGES)
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        found += [module.name for module in pkgutil.walk_packages(path, f"{package}.")]
    return sorted(name for name in found if not name.endswith("__main__"))


def refuse() -> None:
    """Make this process look like one on Windows to the project's modules."""
    real = builtins.__import__

    def guarded(name: str, scope: Any = None, *rest: Any, **named: Any) -> Any:
        importer = str((scope or {}).get("__name__", ""))
        if name.partition(".")[0] in ABSENT and importer.partition(".")[0] in PACKAGES:
            raise ImportError(f"{importer} imports {name}, which Windows does not have")
        return real(name, scope, *rest, **named)

    builtins.__import__ = guarded  # type: ignore[assignment] # its signature is wider than the real one
    for module, names in LACKING:
        for name in names:
            if hasattr(module, name):
                delattr(module, name)


def preload() -> None:
    """Import what the project's modules import from elsewhere, while everything is still there."""
    before = set(sys.modules)
    for name in modules():
        importlib.import_module(name)
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in PACKAGES:
            del sys.modules[name]


def main(argv: list[str]) -> int:
    """Import everything; with `--refuse`, as on Windows."""
    names = modules()
    if "--refuse" in argv:
        preload()
        refuse()
    for name in names:
        importlib.import_module(name)
    print(f"{len(names)} modules imported")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
