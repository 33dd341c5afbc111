"""What calls come to. The models of it are loaded with the first result: a resume begins its work before that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fsm.engine.journal import SET, Journal, Run
from fsm.engine.run_facts import Outcome
from fsm.errors import BlockedBy, FsmError

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult


def without_run(name: str, outcome: Outcome, *, reason: str = "", todo: str = "") -> UpdateResult:
    """The result of a call that had no run of its own; the name of a set begins with an ``@``."""
    from fsm.engine.report import UpdateResult  # noqa: PLC0415 - see the module

    kind = SET if name.startswith("@") else "update"
    return UpdateResult(component=name, kind=kind, outcome=outcome, reason=reason, todo=todo)


def of_run(journal: Journal, run: Run, blocked: BlockedBy | None = None) -> UpdateResult:
    """The result of a run.

    Args:
        journal: that has it.
        run: which.
        blocked: what kept it from an update.

    Raises:
        JournalError: the journal cannot be read.
    """
    from fsm.engine.report import UpdateResult, run_report  # noqa: PLC0415 - see the module

    return UpdateResult(**dict(run_report(journal, run)), blocked=blocked)


def safely(name: str, work: Callable[[], list[UpdateResult]]) -> list[UpdateResult]:
    """What work came to; where it could not be done, a result that says why."""
    try:
        return work()
    except FsmError as error:
        return [without_run(name, Outcome.FAILED, reason=str(error))]
