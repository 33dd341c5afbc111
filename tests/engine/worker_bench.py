"""A bench for workers: runs of one step or two, by an adapter that other processes can import."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fsm.adapter import Draft, Registry, User
from fsm.engine.executor import Control, Executor, Surroundings
from fsm.engine.journal import Journal, Kind, Run
from fsm.engine.plan import freeze
from fsm.engine.progress import EventKind, ProgressEvent
from fsm.engine.worker import Workers
from fsm.lifecycle import State
from fsm.model import Version
from tests.engine.worker_adapter import Act, Acts

REGISTRY = Registry.of(Acts())

PLACE = "tests.engine.worker_adapter:Acts"


class Bench:
    """Runs of one step, or of two, as a user."""

    def __init__(self, directory: Path, user: User) -> None:
        self.directory = directory
        self.user = user
        self.workers = Workers()
        self.control = Control()
        self.events: list[ProgressEvent] = []
        self.around = Surroundings(directory, self.control, observers=[self._hear], workers=self.workers)
        self.on_progress: Any = lambda event: None

    def _hear(self, event: ProgressEvent) -> None:
        self.events.append(event)
        if event.kind is EventKind.PROGRESS:
            self.on_progress(event)

    def journal(self) -> Journal:
        """The journal."""
        return Journal(self.directory / "journal.db")

    def run(self, *steps: Act) -> tuple[Run, list[Any]]:
        """Drive a new run; it, and the rows of its log."""
        with self.journal() as journal:
            executor = Executor(journal, REGISTRY, self.around)
            begun = journal.begin("a", "acts", from_version="1")
            ended = executor.drive(begun, lambda run, context: self.plan(*steps))
            return ended, list(journal.log(ended.id))

    def plan(self, *steps: Act) -> Any:
        """A plan of these steps."""
        draft = Draft(steps=steps)
        return freeze("a", "acts", draft, from_version=Version("1"), to_version=Version("2"), user=self.user)

    def does(self, act: str, step: type[Act] = Act, **more: Any) -> dict[str, Any]:
        """What a step returns."""
        run, rows = self.run(step(act=act, timeout=60.0, **more))
        assert run.state is State.DONE, run.reason
        (done,) = [row.data for row in rows if row.kind is Kind.STEP_DONE]
        return dict(done)

    def fails(self, act: str, step: type[Act] = Act, timeout: float = 60.0) -> dict[str, Any]:
        """How a step fails."""
        run, rows = self.run(step(act=act, timeout=timeout))
        assert run.state is State.ROLLED_BACK, run.reason
        (failed,) = [row.data for row in rows if row.kind is Kind.STEP_FAILED]
        return dict(failed)


def request(act: str, **results: Any) -> dict[str, Any]:
    """A call of a step, as the engine makes it."""
    # Of this process: what ends by its mark must not be another test's.
    marker = f"m-{os.getpid()}"
    facts = {"title": "act", "marker": marker, "run_id": 1, "component": "a", "results": results, "remaining": 60.0}
    context = {**facts, "touched": False, "provisional": False}
    return {"verb": "do", "adapter": PLACE, "step": "act", "args": {"act": act}, "context": context}


def wait(until: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 60
    while not until():
        assert time.monotonic() < limit
        time.sleep(0.02)
