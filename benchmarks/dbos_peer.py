"""The seven steps as a DBOS Transact workflow; a program that `benchmarks.journal` starts and asks for rounds.

Everything is as DBOS ships: no option but the application's name, so its system database is an SQLite file in the
working directory. For each number that it reads, a line, it runs so many workflows and prints the seconds.
"""

from __future__ import annotations

import sys
import time

from dbos import DBOS


def nothing(number: int) -> dict[str, str]:
    """One step."""
    return {"did": "nothing"}


step = DBOS.step()(nothing)


def seven() -> None:
    """The workflow."""
    for number in range(7):
        step(number)


workflow = DBOS.workflow()(seven)


def main() -> None:
    """Serve until the standard input ends."""
    DBOS(config={"name": "bench"})
    DBOS.launch()
    try:
        for line in sys.stdin:
            start = time.perf_counter()
            for _ in range(int(line)):
                workflow()
            print(time.perf_counter() - start, flush=True)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    main()
