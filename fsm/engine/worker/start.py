"""Starting a worker's process, in a thread that waits for its end.

The kernel ends a worker when the thread ends that started it, not only with the whole engine: so each has a thread that
lives as long as it does, whoever asks for it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fsm.adapter import User
from fsm.system.processes import Identity, before_exec, identify
from fsm.system.users import runs_as

if TYPE_CHECKING:
    import subprocess


class Started:
    """A process, once it was started.

    Args:
        user: as whom.
        adapter: ``module:Class`` of the adapter that it loads at once.
        environ: variables to add to its environment.
        line: its end of the socket.
        log: the descriptor that its output goes to.

    Attributes:
        broken: why it could not be started.
        identity: the process; None if it could not be started, or has ended.
    """

    def __init__(self, user: User, adapter: str, environ: Mapping[str, str], line: socket.socket, log: int) -> None:
        self.broken: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # "fsm" itself may not be installed for that Python: it finds everything where this one does.
        paths = [path for path in sys.path if os.path.isabs(path)]
        entry = str(Path(__file__).with_name("entry.py"))
        argv = [sys.executable, "-I", entry, str(os.getpid()), adapter, *paths]
        begun = threading.Event()
        work = (argv, user, user.environment(environ), line.fileno(), log, begun)
        threading.Thread(target=self._attend, args=work, name=f"fsm worker {user.name}", daemon=True).start()
        begun.wait()
        self.identity: Identity | None = None if self._process is None else identify(self._process.pid)

    def _attend(
        self, argv: list[str], user: User, environ: Mapping[str, str], line: int, log: int, begun: threading.Event
    ) -> None:
        import subprocess  # noqa: PLC0415 - 8 ms that only those pay who have such components

        try:
            self._process = subprocess.Popen(
                argv,
                cwd="/",
                env=environ,
                stdin=line,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=before_exec(),  # noqa: PLW1509 - it takes no lock
                **runs_as(user),
            )
        except OSError as error:
            self.broken = error
        finally:
            begun.set()
        if self._process is not None:
            self._process.wait()

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def code(self) -> int | None:
        """How it ended: its exit code, or minus a signal's number; None while it runs, and if it never did."""
        return None if self._process is None else self._process.returncode
