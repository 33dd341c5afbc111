"""What a crashed run left running, and how it is ended before the run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fsm.errors import StillRunning
from fsm.model import Model, Seconds
from fsm.system.processes import Identity, alive, end, with_environment
from fsm.system.shell.programs import MARKER


class Child(Model):
    """A child that was started, as a later run needs to know it if this one dies."""

    identity: Identity
    argv0: str


def end_orphans(children: Iterable[Child], marker: str, *, grace: Seconds) -> list[str]:
    """End what a crashed run left running, before its step is repeated.

    Args:
        children: what that run's `Shell` recorded.
        marker: that run's marker; finds grandchildren that left their group.
        grace: seconds between TERM and KILL.

    Returns:
        One description of each process that was still there, e.g. ``git (pid 4711)``.

    Raises:
        StillRunning: one could not be ended; repeating the step beside it is not safe.
    """
    recorded = [child for child in children if alive(child.identity)]
    mark = f"{MARKER}={marker}"
    found = {child.identity.pid: child.argv0 for child in recorded}
    for who in with_environment(mark):
        found.setdefault(who.pid, _program_of(who.pid))
    described = [f"{name} (pid {pid})" for pid, name in sorted(found.items())]
    if found and not end(*(child.identity for child in recorded), grace=grace, also=lambda: with_environment(mark)):
        raise StillRunning(
            "cannot stop what the interrupted run left running",
            f"still there after KILL: {', '.join(described)}",
            "end these processes or, if they hang in the kernel, restart the host; then run `fsm resume`",
        )
    return described


def _program_of(pid: int) -> str:
    """The name of a running program, for people."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # it ended while we looked
        return "a process"
