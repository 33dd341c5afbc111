"""What goes on during a run, on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fsm.cli import output
from fsm.lifecycle import State

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from fsm.engine.progress import ProgressEvent
    from fsm.updater import Updater

PAUSE: Final = 5.0
"""Seconds between two plain lines about how far one step is."""


@contextmanager
def shown(updater: Updater) -> Iterator[None]:
    """Show what the updater does, in the way that fits standard error."""
    if on_terminal():
        with bars() as observer:
            updater.observe(observer)
            yield
    else:
        updater.observe(Lines(output.tell))
        yield


def on_terminal() -> bool:
    """Whether standard error is a terminal that can draw bars."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def line(event: ProgressEvent) -> str | None:
    """An event as one line, None for those that need none."""
    head = f"{event.component} [{event.index}/{event.count}]" if event.index else event.component
    match event.kind:
        case "step":
            return f"{head} {event.message}"
        case "undo":
            return f"{head} undo: {event.message or event.step}"
        case "retry":
            return f"{head} {event.message}"
        case "failed":
            return f"{head} failed: {event.message}"
        case "state" if event.state in (State.CHECKING, State.ROLLING_BACK):
            return f"{head} {str(event.state).replace('_', ' ')}"
        case "progress":
            return f"{head} {amount(event)}"
        case _:
            # Ends of steps say nothing that the next step does not; notes stand below the result.
            return None


def amount(event: ProgressEvent) -> str:
    """How far a step is, e.g. ``40 % of 12.0 MiB``."""
    text = output.size if event.unit == "bytes" else lambda count: f"{count} {event.unit}"
    if not event.total:
        return text(event.done)
    return f"{event.done * 100 // event.total} % of {text(event.total)}"


class Lines:
    """Plain lines, for logs. How far a step is comes every `PAUSE` seconds only, first after the first pause.

    Args:
        tell: takes a line.
        clock: seconds, monotonic.
    """

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[tuple[str, int], float] = {}

    def __call__(self, event: ProgressEvent) -> None:
        """Take an event, from any thread."""
        with self._lock:
            if event.kind == "progress" and not self._due(event):
                return
            text = line(event)
            if text is not None:
                self._tell(output.one_line(text))

    def _due(self, event: ProgressEvent) -> bool:
        key, now = (event.component, event.index), self._clock()
        if now - self._said.setdefault(key, now) < PAUSE:
            return False
        self._said[key] = now
        return True


@contextmanager
def bars() -> Iterator[Callable[[ProgressEvent], None]]:
    """One bar for each component; what must not be overlooked stays as a line above them."""
    from rich.console import Console  # noqa: PLC0415 - 36 ms, on a terminal only
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - the same

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)


class Bars:
    """Draws events as bars.

    Args:
        progress: drawing already.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: ProgressEvent) -> None:
        """Take an event, from any thread."""
        text = line(event)
        if text is None:
            return
        text = output.one_line(text)
        with self._lock:
            if event.kind in ("retry", "failed"):
                self._progress.console.print(text, markup=False, highlight=False)
                return
            task = self._tasks.get(event.component)
            if task is None:
                task = self._tasks[event.component] = self._progress.add_task(text, total=None)
            share = event.done / event.total if event.total else 0.0
            completed, total = (event.index - 1 + share, event.count) if event.index else (0, None)
            self._progress.update(task, description=text, completed=completed, total=total)
