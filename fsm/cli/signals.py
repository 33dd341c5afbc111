"""SIGINT, SIGTERM and SIGHUP while a run goes on: stop at the next safe point; asked again, stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Final

from fsm.cli import output

FIRST: Final = "stopping at the next safe point (again to stop at once)"
AGAIN: Final = "stopping at once"

_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Have the signals that end a program call `stop` instead.

    The handler only puts into a queue, the one thing that may be done between any two instructions: `stop` takes the
    lock of an event that the interrupted code may hold at that very moment. A thread does the rest. A signal that is
    ignored (`nohup`, a job in the background) stays so.

    Args:
        stop: called once for each signal.
    """
    asked: SimpleQueue[int | None] = SimpleQueue()

    def handler(number: int, frame: FrameType | None) -> None:
        asked.put(number)

    def watch() -> None:
        message = FIRST
        while asked.get() is not None:
            stop()
            output.tell(f"fsm: {message}")
            message = AGAIN

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    watcher = threading.Thread(target=watch, name="fsm-signals", daemon=True)
    watcher.start()
    try:
        for number, old in before.items():
            if old is not signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        asked.put(None)
        watcher.join()
