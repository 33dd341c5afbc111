"""What a step wrote is on the disk before the journal says that the step has ended, as its system calls show.

The rule: `docs/explanation/how-an-update-survives.md`, "What is on the disk, and when". The power cuts of
`tests/powercut` show the same from the other end, by chance; this finds each sync that is missing, in any run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests import strace
from tests.crash.sample import FULL, SEED
from tests.crash.scenarios import SCENARIOS, Kind
from tests.crash.unsynced_calls import CALLS, Unsynced

pytestmark = [pytest.mark.crash, pytest.mark.needs_linux, pytest.mark.processes]

ROOT: Final = Path(__file__).resolve().parents[2]

TRACED: Final = tuple(name for name, scenario in SCENARIOS.items() if scenario.way != "copy")
"""Scenarios that mount nothing."""

UNSYNCED: Final = (
    "*/state/services/*",  # how a service was started, which no boot survives, and what it says
    "*/state/services",
    "*/state/logs/*",  # for people
    "*/state/logs",
    "*/state/locks/*",  # held, not read
    "*/state/journal.db*",  # SQLite's own matter; tests/engine/test_journal.py sees to it
    "*/state",  # where these are made, before any step
)
"""What a resume does not go by."""

WHOLE: Final = ("*/.git/*", "*/state/*", "*.fsm/*.json")
"""What is read as a whole, or is damaged: a rename brings it to its name when it is on the disk, and not before."""

MENDED: Final = ("*/config", "*/config.worktree", "*.fsm-new/*", "*/site-packages/*")
"""Settings, which git does not sync (`fsm_git.settings` puts them back), and what a later name says to be whole."""

TIMES: Final = "utimensat"
"""Those of a symbolic link are synced only with a whole file system, which comes at the latest with `retire`."""


def sample() -> list[str]:
    """One scenario of each kind in `make test`, all in `make crash`."""
    kinds: dict[Kind, list[str]] = {}
    for name in TRACED:
        kinds.setdefault(SCENARIOS[name].kind, []).append(name)
    return [name for names in kinds.values() for name in (names if FULL else [Random(SEED).choice(names)])]


@pytest.mark.parametrize("name", sample())
def test_what_a_step_wrote_is_synced_before_its_end_is_written(tmp_path: Path, name: str):
    """Also what an undo wrote; where a fault point is called synced, it is, as what comes behind relies on it.

    What a rename replaces, such as git's index and refs, is synced before even that.
    """
    host, trace, points = tmp_path / "host", tmp_path / "trace", tmp_path / "points"
    points.touch()
    scenario = SCENARIOS[name]
    with scenario.make_fixture(host) as app_fixture:
        scenario.prepare(app_fixture)
        if scenario.before is not None:
            app_fixture.start()
        _trace([str(host), name, scenario.verb, str(points)], trace, points)
    assert points.read_text().endswith(f"ended {scenario.outcome}\n")
    links = {path.name for path in host.rglob("*") if path.is_symlink()}
    seen = 0
    with trace.open(encoding="utf-8", errors="replace") as lines:
        unsynced = Unsynced(host, "serve.py")
        for point, found in unsynced.at_points(lines, points):
            late = {path: call for path, call in found.items() if not _is_free(path, call, links)}
            assert not late, f"{point} {seen} of {name}: not synced before the journal says so"
            seen += point.startswith("step.")
    assert seen >= 3
    early = [path for path in unsynced.early if _is_one(path, WHOLE) and not _is_one(path, UNSYNCED + MENDED)]
    assert not early, "brought to their names before they were synced"


def _is_free(path: str, call: str, links: set[str]) -> bool:
    return _is_one(path, UNSYNCED) or (call == TIMES and Path(path).name in links)


def _is_one(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def _trace(arguments: list[str], trace: Path, points: Path) -> None:
    """Trace a run to its end; what it has started goes on, and nobody traces it any more."""
    command = strace.command(CALLS, trace, "--decode-fds=path", "--string-limit=4096")
    command += [sys.executable, "-m", "tests.crash.traced", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=strace.environment(), stderr=subprocess.PIPE, text=True) as tracer:
        until = time.monotonic() + 120
        while "ended" not in points.read_text() and tracer.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        tracer.kill()
        assert "ended" in points.read_text(), tracer.communicate()[1][-2000:]
