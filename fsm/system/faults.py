"""Named places at which a test kills the process.

Code calls ``faults.point("exchange.done")`` where a crash would be interesting: before and after each commit and
each side effect. A name stands in exactly one place, as a literal, so that tests can list them all from the source
(`tests/fault_points.py`) and prove that none was forgotten. Outside of tests nothing is installed and a point costs one
comparison; there is no environment variable that could turn them on by accident.
"""

from __future__ import annotations

from collections.abc import Callable

_handler: Callable[[str], None] | None = None


def point(name: str) -> None:
    """Say that execution has come to the fault point `name`."""
    if _handler is not None:
        _handler(name)


def install(handler: Callable[[str], None] | None) -> None:
    """Have `handler` called with the name of every point that is reached; None takes it away."""
    global _handler  # noqa: PLW0603 - one hook for the process is the point of it
    _handler = handler


def installed() -> bool:
    """Whether somebody wants to hear of fault points: another process that reaches one says so then."""
    return _handler is not None


def reached(name: str) -> None:
    """Say that another process, which works for this one, has come to the fault point `name`."""
    if _handler is not None:
        _handler(name)
