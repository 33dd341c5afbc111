"""Writes `points.txt` anew: ``python -m tests.crash.record``. Look at the difference before you commit it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from tests.crash.crash_pool import CrashPool
from tests.crash.scenarios import SCENARIOS, TABLE


def record() -> dict[str, list[str]]:
    """The scenarios that come to each fault point (and are killed there)."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place, CrashPool(Path(place)) as crash_pool:
        for name, scenario in SCENARIOS.items():
            for point in sorted(set(crash_pool.undisturbed(name).trail)):
                if point.startswith(scenario.only):
                    found[point].append(name)
    return found


def render(found: dict[str, list[str]]) -> str:
    """The table as text."""
    return "".join(f"{point}: {' '.join(names)}\n" for point, names in sorted(found.items()))


if __name__ == "__main__":
    TABLE.write_text(render(record()), encoding="utf-8")
