"""Finding the program of a command before it is started, so that a missing one is explained and not just `ENOENT`.

Also the environment entries by which children and services are known, and the one way not to be marked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fsm.errors import CommandFailed
from fsm.system import regular

MARKER: Final = "FSM_RUN"
"""The environment variable that marks everything a run starts; a resume ends what carries its run's mark."""

CALL: Final = "FSM_CALL"
"""The environment variable that marks everything that one call of `Shell.run` started."""

SERVICE: Final = "FSM_SERVICE"
"""The environment variable that marks a service started by the `process` manager, with all its children."""

UNMARKED: Final = {MARKER: ""}
"""Give this as `env` to a command that is to leave something running, such as the start command of a service."""


def find_program(argv: Sequence[str], *, cwd: Path | None = None, search: str | None = None) -> str:
    """The absolute path of a command's program.

    Args:
        argv: the command. A program without a slash is searched for, one with a slash is relative to `cwd`.
        cwd: the directory it will run in; None: the current one.
        search: directories separated by colons, as in PATH; None: this process's PATH.

    Raises:
        CommandFailed: there is no such program, or it cannot be executed; `todo` says what helps.
    """
    if not argv or not argv[0]:
        raise CommandFailed("cannot run a command", "it names no program", "correct the command")
    name = argv[0]
    what = f"cannot run {name}"
    if cwd is not None and not cwd.is_dir():
        raise CommandFailed(what, f"its working directory {cwd} does not exist", "create it, or correct `cwd`")
    if os.sep not in name:
        from shutil import which  # noqa: PLC0415 - it brings five kinds of compression

        found = which(name, path=search)
        if found is None:
            raise CommandFailed(what, "it is not in any directory of PATH", "install it, or write its full path")
        path = Path(found).absolute()
    else:
        # Not resolved: the python of a virtual environment is a link, and it matters by which name it is called.
        path = Path(cwd or Path(), name).absolute()
        if not path.exists():
            raise CommandFailed(what, f"{path} does not exist", "install it, or correct the path")
        if path.is_dir() or not os.access(path, os.X_OK):
            raise CommandFailed(what, f"{path} is not executable", f"correct the path, or `chmod +x {path}`")
    _check_interpreter(what, path)
    return str(path)


def _check_interpreter(what: str, path: Path) -> None:
    """A script whose first line names a missing interpreter fails with the script's own name: say the other one."""
    try:
        with regular.opened(path, follow=True) as descriptor:
            first = os.read(descriptor, 512).partition(b"\n")[0]
    except OSError:  # executable, but not readable or no file: the system will say what it thinks of it
        return
    words = first[2:].split() if first.startswith(b"#!") else []
    interpreter = os.fsdecode(words[0]) if words else ""
    if interpreter and not os.path.exists(interpreter):
        raise CommandFailed(
            what, f"{path} begins with #!{interpreter}, which does not exist", "install that interpreter, or edit it"
        )
