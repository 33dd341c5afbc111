"""Undoing every started step, last first."""

from __future__ import annotations

from fsm.adapter import Done, Failed
from fsm.engine.executor.run_record import RunRecord
from fsm.engine.executor.runner import Runner
from fsm.engine.journal import Kind, Record
from fsm.engine.progress import EventKind as Told
from fsm.lifecycle import LIMIT, Event, State
from fsm.system import faults


class Backward:
    """The state `rolling_back`. `position` is the step being undone."""

    def __init__(self, record: RunRecord, runner: Runner, *, until_start: bool = False) -> None:
        self._record = record
        self._runner = runner
        self._until_start = until_start

    def go(self) -> None:
        """Undo down to the first step; ends in `rolled_back` or `failed`."""
        record = self._record
        self._runner.enter(State.ROLLING_BACK)
        while record.run.state is State.ROLLING_BACK:
            index = record.run.position
            assert index >= 0, "the last undo and the end of the run are one commit"
            if self._until_start and record.steps[index].downtime == "begins":
                return
            self._tell(Told.UNDO, index)
            faults.point("step.before_undo")
            result = self._runner.perform(index, "undo")
            faults.point("step.after_undo")
            if isinstance(result, Failed):
                self.fail(index, result)
            else:
                self._finish(index, result)
        self._runner.enter(record.run.state)

    def _finish(self, index: int, result: Done) -> None:
        record = self._record
        done = Record(Kind.UNDO_DONE, index, {"data": result.data, "notes": list(result.notes)})
        starts = [Record(Kind.UNDO_STARTED, index - 1)] if index else []
        # The last undo and the end of the run are one commit.
        record.move([] if index else [Event.OK], before=[done, *starts], position=index - 1)
        self._tell(Told.UNDO_DONE, index)
        for note in result.notes:
            self._runner.tell(Told.NOTE, note, index)

    def _tell(self, kind: Told, index: int) -> None:
        """Speak of an undo; a step that has nothing to undo is passed over in silence."""
        title = self._record.steps[index].undo_title
        if title:
            self._runner.tell(kind, title, index)

    def fail(self, index: int, failed: Failed) -> None:
        """Try the same undo again; when it made no progress for the third time, a person is needed."""
        record = self._record
        row = Record(Kind.UNDO_FAILED, index, failed.model_dump(mode="json"))
        self._runner.tell(Told.FAILED, failed.why, index)
        if record.run.attempt < LIMIT:
            record.move([], [row], attempt=record.run.attempt + 1)
            self._runner.pause(index)
            return
        reason = f"{record.run.reason}; then the rollback failed: {failed.why}"
        record.move([Event.FAIL], [row], reason=reason, todo=self.todo(record))

    @staticmethod
    def todo(record: RunRecord) -> str:
        """What a person is told when a rollback cannot go on."""
        run = record.run
        left = [step.undo_title or step.title for step in reversed(record.steps[: run.position + 1])]
        return (
            f"not undone yet: {', '.join(left)}; fix the cause, then continue with `fsm rollback {run.component}`"
            f" (`fsm show {run.id}` lists the paths of every step)"
        )
