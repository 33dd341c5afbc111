"""The closing lines of several runs of pytest, as one line of the same form.

12 passed, 1 failed in 3.10s + 5 passed in 1.00s (0:00:01)  =>  1 failed, 17 passed in 4.10s
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in ([0-9.]+)s(?: \([0-9:]+\))?(?: =+)?$", re.MULTILINE)
_ORDER: Final = ("failed", "passed")


def closing_line(logs: list[str]) -> str:
    """The sum of the last closing line of each log.

    Raises:
        ValueError: a log has none, or nothing was run.
    """
    counts: Counter[str] = Counter()
    seconds = 0.0
    for number, log in enumerate(logs, 1):
        found = _LINE.findall(log)
        if not found:
            raise ValueError(f"log {number} of {len(logs)} has no closing line of pytest")
        outcomes, spent = found[-1]
        for each in outcomes.split(", "):
            count, word = each.split(" ")
            counts[{"error": "errors", "warning": "warnings"}.get(word, word)] += int(count)
        seconds += float(spent)
    if not counts["passed"] + counts["failed"]:
        raise ValueError("no test was run")
    words = [*(word for word in _ORDER if counts[word]), *sorted(counts.keys() - set(_ORDER))]
    return f"{', '.join(f'{counts[word]} {word}' for word in words)} in {seconds:.2f}s"


def main(argv: list[str]) -> int:
    """Print the closing line of the logs that `argv` names; 1 where there is none."""
    try:
        print(closing_line([Path(name).read_text(encoding="utf-8", errors="replace") for name in argv]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
