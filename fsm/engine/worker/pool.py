"""The workers of one call of a verb: one for each user, or several where components of one user go on side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fsm.adapter import AnyAdapter, User

if TYPE_CHECKING:
    from fsm.engine.worker.process import Worker


def place_of(adapter: AnyAdapter) -> str:
    """How another process finds an adapter's class: ``module:Class``."""
    kind = type(adapter)
    return f"{kind.__module__}:{kind.__qualname__}"


class Workers:
    """Has workers, and ends them; may be used by several threads.

    Args:
        environ: variables that all of them get beside their user's own.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(environ or {})
        self._lock = threading.Lock()
        self._idle: list[Worker] = []

    def prepare(self, user: User, adapter: AnyAdapter) -> None:
        """Start a worker that is needed soon, so that nobody has to wait for it then."""
        with self._lock:
            if not any(worker.usable and worker.user == user for worker in self._idle):
                self._idle.append(self._start(user, adapter))

    @contextmanager
    def lend(self, user: User, adapter: AnyAdapter) -> Iterator[Worker]:
        """A worker for one call.

        Args:
            user: as whom it acts.
            adapter: the one that is called first.
        """
        worker = self._take(user) or self._start(user, adapter)
        try:
            yield worker
        finally:
            if worker.usable:
                with self._lock:
                    self._idle.append(worker)

    def _start(self, user: User, adapter: AnyAdapter) -> Worker:
        from fsm.engine.worker.process import Worker  # noqa: PLC0415 - only where a component has a user

        return Worker(user, place_of(adapter), self._environ)

    def _take(self, user: User) -> Worker | None:
        with self._lock:
            dead = [worker for worker in self._idle if not worker.usable]
            found = next((worker for worker in self._idle if worker.usable and worker.user == user), None)
            self._idle = [worker for worker in self._idle if worker is not found and worker not in dead]
        for worker in dead:
            worker.end()
        return found

    def close(self) -> None:
        """End all of them; who comes later gets new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()
