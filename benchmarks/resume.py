"""How long after a kill -9 the interrupted step runs again, and what a thousand interrupted runs cost."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, duration, ratio, timed
from benchmarks.rig import Bench, child, environment
from benchmarks.webapp import Site
from fsm.engine.journal import Journal, Kind, Record
from fsm.engine.plan import Plan
from fsm.engine.report import Outcome, run_reports
from fsm.lifecycle import State
from fsm.updater import Updater

POINT: Final = "unpack.unpacked"
"""Where the update is killed: in the middle of a step that does real work."""

STEPS_DONE: Final = 3

LIBRARIES: Final = "import apsw; from pydantic import BaseModel, Field, StringConstraints"
"""What a resume cannot do without."""


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    with bench.room("resume") as room, ExitStack() as stack:
        site = Site.made(room / "host", light=bench.quick).installed(stack)
        site.publish(1)
        plan = Updater.from_config(site.config).plan("web")
        _kill(site)
        cases = {
            "resume": _resumed(site, room),
            "libraries": timed(lambda: child([sys.executable, "-c", LIBRARIES])),
            "bare": timed(lambda: child([sys.executable, "-c", "pass"])),
        }
        found = bench.turns(cases, 30)
        count = bench.scaled(1000, 20)
        journal = room / "many" / "journal.db"
        _interrupt(journal, plan, count)
        thousand = {
            "found": timed(lambda: _find(journal, count)),
            "classified": timed(lambda: _classify(journal, count)),
        }
        many = bench.turns(thousand, 15)
    return [
        ratio(
            "kill -9 in a step; from exec to that step's `do`", found["resume"], "`python -c pass`", found["bare"], 15
        ),
        ratio("the bound: apsw and pydantic imported", found["libraries"], "the same", found["bare"]),
        duration(f"{count:,} interrupted runs found", many["found"]),
        duration(f"{count:,} interrupted runs found and classified", many["classified"], under_ms=300),
    ]


def _program(*arguments: str | Path) -> list[str]:
    # -P: the modules of this package must not be found as top-level ones.
    return [sys.executable, "-P", str(Path(__file__).with_name("resume_child.py")), *map(str, arguments)]


def _kill(site: Site) -> None:
    """Have an update die in the middle of a step."""
    done = subprocess.run(
        _program("kill", POINT, "--config", site.config, "update", "web"),
        env=environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode != -9:
        raise RuntimeError(f"the update was to be killed, but ended with {done.returncode}: {done.stderr!r}")


def _resumed(site: Site, room: Path) -> Callable[[], float]:
    """From exec to `do`; the journal is put back each time, so that every resume is the first one after the kill."""
    kept = room / "journal"
    shutil.copytree(site.state, kept)
    stamp = room / "stamp"
    command = _program("mark", stamp, "--config", site.config, "resume")

    def case() -> float:
        for path in site.state.glob("journal.db*"):
            path.unlink()
        for path in kept.glob("journal.db*"):
            shutil.copy2(path, site.state)
        stamp.unlink(missing_ok=True)
        start = time.monotonic()
        subprocess.run(command, env=environment(), capture_output=True, check=True)
        return float(stamp.read_text(encoding="ascii")) - start

    return case


def _interrupt(path: Path, plan: Plan, count: int) -> None:
    """A journal with so many runs that a crash interrupted in the middle, each of another component."""
    text, names = plan.model_dump_json(), [step.name for step in plan.steps]
    with Journal(path) as journal:
        for number in range(count):
            run = journal.begin(f"web-{number}", "python_app", from_version="1.0.0")
            begun = [
                Record(Kind.STATE, data={"from": State.CHECKING, "event": "ok", "to": State.BACKING_UP}),
                Record(Kind.PLANNED, data={"steps": names}),
                Record(Kind.STEP_STARTED, 0, {"name": names[0]}),
            ]
            run = journal.write(run, begun, plan=text, state=State.BACKING_UP, position=0, to_version="1.1.0")
            for index in range(STEPS_DONE):
                records = [
                    Record(Kind.STEP_DONE, index, {"data": {}, "notes": []}),
                    Record(Kind.STEP_STARTED, index + 1, {"name": names[index + 1]}),
                ]
                state = plan.steps[index + 1].phase
                run = journal.write(run, records, state=state, position=index + 1, attempt=1)


def _find(path: Path, count: int) -> None:
    with Journal(path) as journal:
        if len(journal.runs(in_progress=True)) != count:
            raise RuntimeError("not every interrupted run was found")


def _classify(path: Path, count: int) -> None:
    """Find every run, and say of each in which state and step it was interrupted, and what follows."""
    with Journal(path) as journal:
        reports = run_reports(journal, journal.runs(in_progress=True))
    told = [report for report in reports if report.outcome is Outcome.INTERRUPTED and report.steps]
    if len(told) != count:
        raise RuntimeError("not every interrupted run was classified")
