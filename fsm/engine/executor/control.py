"""How a process is asked to stop driving runs (Ctrl-C, TERM), and time as the executor sees it: clocks, deadlines."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fsm.engine.progress import Observer
from fsm.engine.worker import Workers
from fsm.lifecycle import State
from fsm.model import Seconds
from fsm.system import marks


class Clock:
    """Monotonic time and sleeping; tests bring their own."""

    def monotonic(self) -> Seconds:
        """Seconds from an arbitrary start, never set back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: Seconds) -> None:
        """Sleep until the event or the time."""
        event.wait(seconds)


class Control:
    """A request to stop, made by a signal handler or another thread.

    The first request waits for the next safe point, a moment in which the component's service is up; the second one
    stops at the next check, wherever that is. Both leave the journal whole and the run resumable.
    """

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.urgent = False

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self.wake.is_set()

    def stop(self) -> None:
        """Ask to stop."""
        self.urgent = self.wake.is_set()
        self.wake.set()


class Controls:
    """A `Control` for each call under way: what is asked to stop is what runs, and nothing that is called later.

    Nothing here takes a lock, so that a signal handler may ask between any two instructions.
    """

    def __init__(self) -> None:
        self._running: list[Control] = []
        self._ending = False

    @contextmanager
    def one(self) -> Iterator[Control]:
        """The control of one call while it lasts; after `shutdown` it is asked to stop from the beginning."""
        control = Control()
        self._running.append(control)
        if self._ending and not control.requested:
            control.stop()
        try:
            yield control
        finally:
            self._running.remove(control)

    def stop(self) -> None:
        """Ask everything that runs to stop."""
        for control in list(self._running):
            control.stop()

    def shutdown(self) -> None:
        """The same, and nothing begins any more."""
        self._ending = True
        self.stop()


DEADLINES: Final[Mapping[State, Seconds]] = {
    State.CHECKING: 60.0,
    State.BACKING_UP: 3600.0,
    State.UPDATING: 7200.0,
    State.VERIFYING: 1800.0,
    State.ROLLING_BACK: 3600.0,
}
"""How long a state may take in one process; configurable."""


@dataclass(frozen=True)
class Surroundings:
    """What a run is driven in.

    Attributes:
        state_dir: where children's output goes (`logs/`).
        control: asks the run to stop.
        clock: monotonic time and waiting.
        observers: hear what goes on.
        deadlines: seconds by state, for those that differ from `DEADLINES`.
        rng: for the jitter of retries.
        workers: the processes that act as components' users.
    """

    state_dir: Path
    control: Control = field(default_factory=Control)
    clock: Clock = field(default_factory=Clock)
    observers: Sequence[Observer] = ()
    deadlines: Mapping[State, Seconds] = field(default_factory=dict)
    rng: random.Random = field(default_factory=random.Random)
    workers: Workers = field(default_factory=Workers)

    def limit(self, state: State) -> Seconds:
        """How long a state may take; a member of a set that waits for the others has that of the state before."""
        state = {State.VERIFIED: State.VERIFYING, State.ROLLED_BACK: State.ROLLING_BACK}.get(state, state)
        return self.deadlines.get(state, DEADLINES[state])

    def marker(self, run: int) -> str:
        """What the children of a run carry, and nobody else can.

        Raises:
            OSError: see `fsm.system.marks.mark`.
        """
        return f"{marks.mark(self.state_dir, f'run {run}')}.{run}"


class StepDeadline:
    """The earlier of a step's and its state's deadline."""

    def __init__(self, clock: Clock, until: Seconds) -> None:
        self._clock = clock
        self._until = until

    def remaining(self) -> Seconds:
        """Seconds left; 0 or less when it has passed."""
        return self._until - self._clock.monotonic()
