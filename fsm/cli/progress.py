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
from fsm.lifecycle import RESTING, State

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from fsm.engine.progress import ProgressEvent
    from fsm.host.resumer import Resumer
    from fsm.updater import Updater

PAUSE: Final = 5.0
"""Seconds between two plain lines about how far one step is."""


@contextmanager
def shown(updater: Updater | Resumer) -> Iterator[None]:
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
        case "retry" | "cancelled":
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
    """One bar for each component; finished steps, and what must not be overlooked, stay as lines above them."""
    from rich.console import Console  # noqa: PLC0415 - 36 ms, on a terminal only
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - the same

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)


class _Bar:
    """One run's way forward, or back, as a share of its steps that never falls.

    Args:
        event: the first one that is shown of it.
    """

    def __init__(self, event: ProgressEvent, task: TaskID) -> None:
        self.task = task
        self.way = _way(event)
        self._steps = 0
        self._done = 0.0

    def move(self, event: ProgressEvent) -> tuple[float, int | None]:
        """How many steps are done by now, and of how many; None if that is not known yet."""
        back = event.state is State.ROLLING_BACK
        if event.index:
            # On the way back there are as many steps as had been begun: the first one that is heard of was the last.
            self._steps = self._steps or (event.index if back else event.count)
            begun = self._steps - event.index if back else event.index - 1
            self._done = max(self._done, begun + _share(event))
        if event.kind == "state" and event.state in RESTING:
            self._done = self._steps
        return self._done, self._steps or None


def _way(event: ProgressEvent) -> tuple[int, bool]:
    """What one bar is for: a run's way back begins with its state, and ends with another one."""
    return event.run, event.state in (State.ROLLING_BACK, State.ROLLED_BACK, State.FAILED)


def _share(event: ProgressEvent) -> float:
    """How much of a step is done."""
    if event.kind in ("step_done", "undo_done"):
        return 1.0
    return min(event.done / event.total, 1.0) if event.total else 0.0


class Bars:
    """Draws events as bars.

    Args:
        progress: drawing already.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._bars: dict[str, _Bar] = {}
        self._begun: dict[tuple[str, int], tuple[str, float]] = {}

    def __call__(self, event: ProgressEvent) -> None:
        """Take an event, from any thread."""
        text = line(event)
        if text is None and event.kind == "state":
            text = f"{event.component} {str(event.state).replace('_', ' ')}"
        with self._lock:
            if text is not None:
                text = output.one_line(text)
                if event.kind in ("retry", "failed", "cancelled"):
                    self._keep(text)
                    return
            self._finished(event, text)
            bar = self._bar(event)
            completed, total = bar.move(event)
            self._progress.update(bar.task, completed=completed, total=total, description=text)

    def _keep(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def _finished(self, event: ProgressEvent, text: str | None) -> None:
        """Leave a line for a step, or an undo, that has ended."""
        step = event.component, event.index
        if event.kind in ("step", "undo") and text is not None:
            self._begun[step] = text, time.monotonic()
        elif event.kind in ("step_done", "undo_done") and step in self._begun:
            begun, since = self._begun.pop(step)
            self._keep(f"{begun} ({time.monotonic() - since:.1f} s)")

    def _bar(self, event: ProgressEvent) -> _Bar:
        """The bar of the run's present way; that of its way forward gives place to that of its way back."""
        bar = self._bars.get(event.component)
        if bar is None or bar.way != _way(event):
            if bar is not None and bar.way[0] == event.run:
                self._progress.remove_task(bar.task)
            task = self._progress.add_task(event.component, total=None)
            bar = self._bars[event.component] = _Bar(event, task)
        return bar
