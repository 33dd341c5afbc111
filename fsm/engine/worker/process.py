"""The engine's side of one worker: it is started, called, listened to, and ended with everything that it left."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from fsm.adapter import User
from fsm.engine.spare import Ends
from fsm.engine.worker.hearing import Deaf, Hearing
from fsm.engine.worker.protocol import (
    LINE,
    Fault,
    Progress,
    Raised,
    Ready,
    Result,
    Said,
    Started,
    exception_of,
    failed,
    nonsense,
    pack,
    shown,
    unpack,
    unreachable,
)
from fsm.engine.worker.start import spared, started
from fsm.errors import Cancelled, DeadlineExceeded, FsmError, WorkerFailed
from fsm.model import Seconds
from fsm.system import faults
from fsm.system.processes import Identity, alive, end, identify, stopped, users_of, with_environment
from fsm.system.shell import MARKER, Child
from fsm.version import __version__

START: Final[Seconds] = 60.0
"""Seconds within which a worker must be there, also on a busy host."""

GRACE: Final[Seconds] = 10.0
"""Seconds that a worker has to end its children and to answer, once it was told to stop or its time is up."""

_POLL: Final = 0.1
_SEND: Final = 10.0
_MOST: Final = 64 << 20
_CHILDREN: Final = 1000
_LAST: Final = 4096


class Worker:
    """One process that acts as a user; used by one thread at a time.

    Args:
        user: as whom.
        adapter: ``module:Class`` of the adapter that it should load at once.
        environ: variables to add to its environment.

    Attributes:
        identity: the process; None if it could not be started, or has ended.
        known_to: the mark of the run whose journal knows it.
    """

    def __init__(self, user: User, adapter: str, environ: Mapping[str, str]) -> None:
        self.user = user
        self.known_to = ""
        self._ready = False
        self._useless = False
        self._received = 0
        self._children: list[Child] = []
        self._marker: str | None = None
        self._adapter = adapter
        self._environ = environ
        ends = spared(user, adapter, environ)
        self._spare = ends is not None
        self._take(ends or started(user, adapter, environ))

    def _take(self, ends: Ends) -> None:
        self._socket, self._log, self._launched = ends
        self._buffer = self._last = b""
        self._socket.settimeout(_SEND)
        os.set_blocking(self._log, False)
        self._poller = select.poll()
        self._poller.register(self._socket, select.POLLIN)
        self._poller.register(self._log, select.POLLIN)
        self.identity: Identity | None = None if self._launched.pid is None else identify(self._launched.pid)

    @property
    def usable(self) -> bool:
        """Whether it can be called once more; one whose process could not be started says why when it is called."""
        return not self._useless and self._launched.lives

    def call(self, request: Mapping[str, Any], poll: Callable[[], None], hearing: Hearing) -> str:
        """Have it do something.

        Args:
            request: what, as `serve` understands it.
            poll: asked at least every 100 ms; what it raises makes the worker stop, and is raised again.
            hearing: hears what happens meanwhile.

        Returns:
            The answer's JSON; not believed yet.

        Raises:
            WorkerFailed: it could not be started, ended, or said what makes no sense.
            FsmError, OSError, Bug: what the call itself raised there.
        """
        self.be_ready(poll, hearing)
        clean, self._children, self._received = False, [], 0
        self._marker = request.get("context", {}).get("marker")
        try:
            self._send({**request, "faults": faults.installed()})
            answer = self._converse(poll, hearing)
            self._children, self._marker = [], None
            clean = not self._buffer
        finally:
            self._drain(hearing)
            if not clean:
                self._useless = True
                self.end()
        if isinstance(answer, Result):
            return answer.value
        raise answer if isinstance(answer, FsmError) else self._exception(answer)

    def be_ready(self, poll: Callable[[], None], hearing: Hearing) -> None:
        """Wait until it can be called; from then on `identity` stays.

        Args:
            poll: asked at least every 100 ms; what it raises is raised again.
            hearing: hears what it writes meanwhile.

        Raises:
            WorkerFailed: it could not be started, ended, or said what makes no sense.
        """
        until = time.monotonic() + START
        try:
            while not self._is_ready(hearing):
                if time.monotonic() >= until:
                    raise failed(self.user.name, f"its process was not there within {START:g} s")
                poll()
        finally:
            if not self._ready:
                self._drain(hearing)
                self.end()

    def _is_ready(self, hearing: Hearing) -> bool:
        if self._ready:
            return True
        if self._launched.broken is not None:
            raise unreachable(self.user.name, self._launched.broken)
        try:
            heard = list(self._heard(hearing))
        except WorkerFailed:
            if not self._spare:
                raise
            # It could not become this user, or came to harm before it had. One of the user's own says why.
            if self.identity is not None:
                end(self.identity, grace=0.0, first=signal.SIGKILL)
            self._close()
            self._spare = False
            self._take(started(self.user, self._adapter, self._environ))
            return False
        for said in heard:
            if not isinstance(said, Ready):
                raise self._nonsense("it spoke before it was asked")
            if said.version != __version__:
                raise self._nonsense(f"it is of version {shown(said.version, 60)}, not {__version__}")
            if not self._is_its_user():
                raise self._nonsense("it acts as another user")
            self._ready = True
        return self._ready

    def _is_its_user(self) -> bool:
        """Whether it has no more rights than its user, before it is asked anything; one that has ended has none."""
        return self._launched.pid is None or {self.user.uid} >= users_of(self._launched.pid)

    def _converse(self, poll: Callable[[], None], hearing: Hearing) -> Result | Raised | FsmError:
        """Listen until the call has ended, and hand on the word that it must."""
        stop: FsmError | None = None
        until = 0.0
        while True:
            for said in self._heard(hearing):
                if isinstance(said, Raised) and stop is not None and said.kind == _told(stop)["kind"]:
                    return stop
                if isinstance(said, Result | Raised):
                    return said
                self._attend_to(said, hearing)
            if stop is not None:
                if time.monotonic() >= until:
                    raise stop
                continue
            try:
                poll()
            except DeadlineExceeded as error:
                # It counts its deadline itself, and knows better what took so long.
                stop, until = error, time.monotonic() + GRACE
            except FsmError as error:
                stop, until = error, time.monotonic() + GRACE
                self._send({"stop": _told(error)})

    def _attend_to(self, said: Said, hearing: Hearing) -> None:
        """What is said while a call goes on."""
        if isinstance(said, Progress):
            hearing.progress(said.done, said.total, shown(said.unit, 20))
            return
        if isinstance(said, Started) and len(self._children) < _CHILDREN:
            if self._is_own(said.child.identity):
                child = said.child.model_copy(update={"argv0": shown(said.child.argv0, 200)})
                self._children.append(child)
                hearing.started(child)
        elif isinstance(said, Fault) and faults.installed():
            faults.reached(said.name)
        else:
            raise self._nonsense(f"it said {said.said}")
        self._send({"heard": True})

    def _is_own(self, who: Identity) -> bool:
        """Whether a process still lives; it has to be the user's, for what a run has started a resume ends.

        Raises:
            WorkerFailed: it is somebody else's.
        """
        if not alive(who):
            return False
        if not {self.user.uid} >= users_of(who.pid) and alive(who):
            raise self._nonsense(f"it said that process {who.pid} is its own")
        return True

    def _heard(self, hearing: Hearing) -> Iterator[Said]:
        """What it has said; waits a little where that is nothing."""
        found = self._poller.poll(_POLL * 1000)
        if not found and self.identity is not None and stopped(self.identity):
            # Its user could have everybody wait until the deadline, again and again; nothing of ours stops it.
            raise failed(self.user.name, "a signal has stopped its process")
        for ready, _ in found:
            if ready == self._log:
                self._drain(hearing)
            else:
                self._receive()
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            try:
                said = unpack(line)
            except ValueError:
                raise self._nonsense(f"it said {shown(line[:80].decode('utf-8', 'replace'))!r}") from None
            yield said

    def _receive(self) -> None:
        try:
            piece = self._socket.recv(1 << 18)
        except OSError:
            piece = b""
        if not piece:
            raise failed(self.user.name, f"its process ended {self._how()}")
        self._buffer += piece
        self._received += len(piece)
        if self._received > _MOST or (len(self._buffer) > LINE and b"\n" not in self._buffer):
            raise self._nonsense("it does not come to an end")

    def _drain(self, hearing: Hearing) -> None:
        """Read what it and its children wrote, as far as it is there."""
        for _ in range(64):
            try:
                piece = os.read(self._log, 1 << 16)
            except BlockingIOError:
                return
            except OSError:  # closed with the worker
                return
            if not piece:
                with suppress(KeyError):
                    self._poller.unregister(self._log)
                return
            self._last = (self._last + piece)[-_LAST:]
            hearing.wrote(piece)

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(pack(message))
        except OSError:
            raise failed(self.user.name, f"its process ended {self._how()}") from None

    def _exception(self, raised: Raised) -> Exception:
        try:
            return exception_of(raised)
        except ValueError as error:
            self._useless = True
            self.end()
            return self._nonsense(str(error))

    def _nonsense(self, what: str) -> WorkerFailed:
        return nonsense(self.user.name, what)

    def _how(self) -> str:
        """How it ended, and what it wrote last."""
        until = time.monotonic() + 1.0
        while self.usable and time.monotonic() < until:
            time.sleep(0.005)
        self._drain(Deaf())
        code = self._launched.code
        lines = [line for line in self._last.decode("utf-8", "replace").splitlines() if line.strip()]
        wrote = f"; it wrote: {shown(lines[-1], 300)}" if lines else ""
        if code is None:
            return f"the conversation{wrote}"
        return f"by signal {-code}{wrote}" if code < 0 else f"with code {code}{wrote}"

    def end(self) -> None:
        """End it at once, with the children that it told of, and with what they have started.

        An idle one has nothing to lose either, and would take a quarter of a second to end by itself.
        """
        self._useless = True
        targets = [child.identity for child in self._children]
        if self.identity is not None:
            targets.insert(0, self.identity)
        mark = f"{MARKER}={self._marker}"
        found = (lambda: with_environment(mark)) if self._marker else None
        if targets:
            end(*targets, grace=0.0, first=signal.SIGKILL, also=found)
        self._close()

    def _close(self) -> None:
        self._socket.close()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1


def _told(error: FsmError) -> dict[str, str]:
    """What a worker is told of why it is to stop; it raises the same."""
    kind = "Cancelled" if isinstance(error, Cancelled) else "Interrupted"
    return {"kind": kind, "what": error.what, "why": error.why, "todo": error.todo}
