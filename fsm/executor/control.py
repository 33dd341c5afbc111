"""Asking a run to stop, and time as the executor sees it."""

from __future__ import annotations

import threading
import time

from fsm.model import Seconds


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


class StepDeadline:
    """The earlier of a step's and its state's deadline."""

    def __init__(self, clock: Clock, until: Seconds) -> None:
        self._clock = clock
        self._until = until

    def remaining(self) -> Seconds:
        """Seconds left; 0 or less when it has passed."""
        return self._until - self._clock.monotonic()
