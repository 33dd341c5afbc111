"""What a run of seven steps that do nothing costs, beside bare appends to a file and beside DBOS Transact."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks import trivial
from benchmarks.figures import Figure, ratio, timed
from benchmarks.rig import Bench, environment, module
from fsm.engine.executor import Executor, Surroundings
from fsm.engine.journal import Journal, Kind, Record
from fsm.lifecycle import State
from fsm.system import faults

BLOCK: Final = bytes(4096)
RUN: Final = "a run of 7 trivial steps"


def measure(bench: Bench) -> list[Figure]:
    """See the module. One repetition is several runs, so that it has its share of SQLite's checkpoints."""
    runs = bench.scaled(10, 1)
    with bench.room("journal") as room, ExitStack() as stack:
        journal = stack.enter_context(Journal(room / "executor" / "journal.db"))
        alone = stack.enter_context(Journal(room / "alone" / "journal.db"))
        file = os.open(room / "bare", os.O_WRONLY | os.O_CREAT, 0o600)
        stack.callback(os.close, file)
        drive = driver(journal, room)
        commits = _commits(drive)
        cases = {
            "run": timed(lambda: _repeat(runs, drive)),
            "bare": timed(lambda: _repeat(runs * commits, lambda: _append(file))),
            "alone": timed(lambda: _repeat(runs, lambda: _write_alone(alone))),
        }
        if find_spec("dbos") is not None:
            cases["dbos"] = stack.enter_context(_dbos(room, runs))
        elif not bench.quick:
            raise SystemExit("DBOS Transact is missing; `make bench` installs it")
        found = bench.turns(cases, 40)
    one = {name: [sample / runs for sample in samples] for name, samples in found.items()}
    bare = f"{commits} × append of 4 KiB + fdatasync"
    figures = [
        ratio(RUN, one["run"], bare, one["bare"], 1.5),
        ratio("its commits alone, without the executor", one["alone"], bare, one["bare"]),
    ]
    if "dbos" in one:
        dbos = "the same workflow in DBOS Transact with SQLite"
        figures.append(ratio(RUN, one["run"], dbos, one["dbos"], 8, "at least"))
        figures.append(ratio(f"for scale: {bare}", one["bare"], dbos, one["dbos"], sense="at least"))
    return figures


def _repeat(times: int, work: Callable[[], object]) -> None:
    for _ in range(times):
        work()


def driver(journal: Journal, room: Path) -> Callable[[], None]:
    """A whole run by the real executor: checked, planned, seven steps, done."""
    executor = Executor(journal, trivial.REGISTRY, Surroundings(room))

    def drive() -> None:
        run = executor.drive(journal.begin("c", "trivial"), lambda run, context: trivial.plan(run.component))
        if run.state is not State.DONE:
            raise RuntimeError(f"the run ended in {run.state}: {run.reason}")

    return drive


def _commits(drive: Callable[[], None]) -> int:
    """How many durable commits a run makes, counted at the journal's own fault point."""
    names: list[str] = []
    faults.install(names.append)
    try:
        drive()
    finally:
        faults.install(None)
    return names.count("journal.after_commit")


def _append(file: int) -> None:
    os.write(file, BLOCK)
    os.fdatasync(file)


def _write_alone(journal: Journal) -> None:
    """The same rows in the same number of commits, straight into the journal."""
    steps = trivial.Trivial.steps
    run = journal.begin("c", "trivial")
    names = [step.name for step in steps]
    started = [Record(Kind.STEP_STARTED, 0, {"name": names[0]})]
    records = [_state(State.CHECKING, State.BACKING_UP), Record(Kind.PLANNED, data={"steps": names}), *started]
    text = trivial.plan("c").model_dump_json()
    run = journal.write(run, records, plan=text, state=State.BACKING_UP, position=0, to_version="2")
    for index, step in enumerate(steps):
        target = steps[index + 1].phase if index + 1 < len(steps) else State.DONE
        records = [Record(Kind.STEP_DONE, index, {"data": {"did": "nothing"}, "notes": []})]
        if target is not step.phase:
            records.append(_state(step.phase, target))
        if target is State.DONE:
            records.append(Record(Kind.ENDED, data={"state": target}))
        else:
            records.append(Record(Kind.STEP_STARTED, index + 1, {"name": names[index + 1]}))
        ended = True if target is State.DONE else None
        run = journal.write(run, records, ended=ended, state=target, position=index + 1, attempt=1)


def _state(source: State, target: State) -> Record:
    return Record(Kind.STATE, data={"from": source, "event": "ok", "to": target})


@contextmanager
def _dbos(room: Path, runs: int) -> Iterator[Callable[[], float]]:
    """A process that runs DBOS workflows when asked; its own clock counts."""
    place = room / "dbos"
    place.mkdir()
    with (
        (room / "dbos.log").open("wb") as log,
        subprocess.Popen(
            module("dbos_peer"),
            cwd=place,
            env=environment(PYTHONPATH=str(Path(__file__).resolve().parent.parent)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as peer,
    ):
        assert peer.stdin is not None
        assert peer.stdout is not None
        asking, answers = peer.stdin, peer.stdout

        def case() -> float:
            asking.write(f"{runs}\n")
            asking.flush()
            answer = answers.readline()
            if not answer:
                raise RuntimeError(f"DBOS ended: {(room / 'dbos.log').read_text(encoding='utf-8')[-2000:]}")
            return float(answer)

        try:
            yield case
        finally:
            asking.close()
