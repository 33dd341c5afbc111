"""A client that asks a page every few milliseconds: ``python -m benchmarks.poller PORT [PATH [PATIENCE]]``.

Reads commands from its standard input: ``start``, then ``stop``, upon which it prints how long the app did not answer,
in seconds: from the end of the last good answer before the gap to the end of the first one after it. Several gaps
count together. It is a process of its own, so that what it measures does not share its interpreter.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from typing import Final

PAUSE: Final = 0.005
"""Seconds between two requests."""


def ask(port: int, path: str = "/health", patience: float = 5.0) -> bool:
    """Whether the app answers a page, within some seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return answer.status == 200


def downtime(answers: list[tuple[float, bool]]) -> float:
    """Seconds without an answer, of (time, whether it was good) in order; good ones are at both ends."""
    total, last, failed = 0.0, answers[0][0], False
    for when, good in answers:
        if good:
            total += when - last if failed else 0.0
            last, failed = when, False
        else:
            failed = True
    return total


def poll(port: int, path: str, patience: float, ended: threading.Event) -> list[tuple[float, bool]]:
    """Ask until told to end, and then until the app answers."""
    answers: list[tuple[float, bool]] = []
    due = time.monotonic()
    while not ended.is_set() or not answers[-1][1]:
        good = ask(port, path, patience)
        if answers or good:
            answers.append((time.monotonic(), good))
        due += PAUSE
        ended.wait(max(due - time.monotonic(), 0)) if not ended.is_set() else time.sleep(PAUSE)
        due = max(due, time.monotonic() - PAUSE)
    return answers


def main() -> None:
    """Serve until the standard input ends."""
    port, path = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/health"
    patience = float(sys.argv[3]) if len(sys.argv) > 3 else 5.0
    while sys.stdin.readline():
        ended = threading.Event()
        found: list[list[tuple[float, bool]]] = []
        work = threading.Thread(target=lambda ended=ended, found=found: found.append(poll(port, path, patience, ended)))
        work.start()
        print("polling", flush=True)
        sys.stdin.readline()
        ended.set()
        work.join()
        print(downtime(found[0]), flush=True)


if __name__ == "__main__":
    main()
