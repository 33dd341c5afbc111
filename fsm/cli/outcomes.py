"""How runs ended, printed, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsm.cli import output
from fsm.cli.codes import Code, of_outcome, worst

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult


def report(results: Sequence[UpdateResult], as_json: bool) -> int:
    """Print how each component ended.

    Returns:
        The exit code: that of the worst.
    """
    if as_json:
        output.emit(results)
    for result in () if as_json else results:
        output.say(output.one_line(result.headline))
        output.notes(result.notes)
    code = worst(of_outcome(result.outcome) for result in results)
    if code is Code.INTERRUPTED and any(result.in_progress for result in results):
        output.tell("fsm: interrupted; run `fsm resume` to continue")
    return code
