"""Ending processes until they are really gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from fsm.model import Seconds
from fsm.system import faults
from fsm.system.processes.reading import Identity, alive, members_of, need_proc, stat_of

KILL_WAIT: Final = 5.0
"""Seconds that killed processes get to vanish; only one that hangs in the kernel needs longer."""


def end(
    *targets: Identity | int,
    grace: Seconds,
    first: int = signal.SIGTERM,
    also: Callable[[], Iterable[Identity]] | None = None,
    poll: Callable[[], None] | None = None,
) -> bool:
    """End processes with everything in their groups: a signal, then KILL, until they are really gone.

    Args:
        targets: processes (one that leads a group stands for the whole group), or numbers of process groups.
        grace: seconds between the first signal and KILL.
        first: the signal that asks them to end.
        also: finds further processes, e.g. by `with_environment`; asked again until it finds none.
        poll: called while waiting, at least every 50 ms; what it raises ends the waiting.

    Returns:
        Whether all are gone. False means that one hangs in the kernel, or belongs to somebody else.
    """
    hunt = _Hunt(targets, also, first)
    asked = hunt.send(first)
    faults.point("processes.signalled")
    if not hunt.wait(asked, grace, poll):
        return True
    limit = time.monotonic() + KILL_WAIT
    while time.monotonic() < limit:
        if not hunt.wait(hunt.send(signal.SIGKILL), 0.1, poll):
            return True
    return False


class _Hunt:
    """The processes that are to end, found again and again: they may fork while they are being ended."""

    def __init__(
        self, targets: Iterable[Identity | int], also: Callable[[], Iterable[Identity]] | None, first: int
    ) -> None:
        need_proc()
        self._also = also
        self._first = first
        self._asked: dict[Identity, tuple[int, int] | None] = {}
        self._single: list[Identity] = []
        self._groups: dict[int, int | None] = {}
        for target in targets:
            if isinstance(target, int):
                leader = stat_of(target)
                self._groups[target] = leader.start_time if leader else None
            elif alive(target):
                self._single.append(target)
                if (found := stat_of(target.pid)) is not None and found.group == target.pid:
                    self._groups[target.pid] = target.start_time
        for untouchable in (0, 1, os.getpgrp()):
            self._groups.pop(untouchable, None)

    def find(self) -> dict[int, Identity]:
        """Everything that still lives, by pid."""
        found = {who.pid: who for who in self._single if alive(who)}
        for number, started in list(self._groups.items()):
            members = members_of(number, started)
            found |= {who.pid: who for who in members}
            if not members:
                # An emptied group's number may be given out again: it is nobody's from here on.
                del self._groups[number]
        found |= {who.pid: who for who in (self._also() if self._also else ()) if alive(who)}
        return {pid: who for pid, who in found.items() if pid > 1 and pid != os.getpid()}

    def send(self, signum: int) -> list[Identity]:
        """Signal whole groups at once, so that no member can fork past it, and the others one by one; who was meant."""
        found = self.find()
        self._asked |= {who: _program(who) for who in found.values()}
        for number in self._groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(number, signum)
        for pid, who in found.items():
            stat = stat_of(pid)
            if stat is not None and stat.group not in self._groups:
                _send(who, signum)
        return list(found.values())

    def wait(self, left: list[Identity], timeout: Seconds, poll: Callable[[], None] | None) -> bool:
        """Wait until all are gone, those in `left` first; whether any is left."""
        limit = time.monotonic() + timeout
        pause = 0.001
        left = left or self._rest()
        while left:
            if poll is not None:
                poll()
            # Looking at the known ones costs microseconds; all of /proc is searched when these are gone.
            left = [who for who in left if alive(who)] or self._rest()
            if not left:
                break
            self._ask(left)
            if time.monotonic() >= limit:
                return True
            time.sleep(pause)
            pause = min(pause * 1.3, 0.05)
        return False

    def _rest(self) -> list[Identity]:
        """Everything that still lives; what was forked past the first signal gets it now."""
        found = list(self.find().values())
        self._ask(found)
        return found

    def _ask(self, living: Iterable[Identity]) -> None:
        """Send the first signal to each that did not get it as the program that it is now.

        Between `fork` and `exec` a process still has its parent's handlers: what comes then is lost with them.
        """
        for who in living:
            program = _program(who)
            if who not in self._asked or (program is not None and program != self._asked[who]):
                self._asked[who] = program
                _send(who, self._first)


def _program(who: Identity) -> tuple[int, int] | None:
    """What tells the program that a process executes from another one; None if that cannot be seen."""
    try:
        found = os.stat(f"/proc/{who.pid}/exe")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _send(who: Identity, signum: int) -> None:
    """Signal one process. A pidfd names the process, so nothing can change between the check and the signal."""
    with suppress(ProcessLookupError, PermissionError):
        try:
            handle = os.pidfd_open(who.pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel before 5.3, or a sandbox that forbids it
            if alive(who):
                os.kill(who.pid, signum)
            return
        try:
            if alive(who):
                signal.pidfd_send_signal(handle, signum)
        finally:
            os.close(handle)
