"""Calling a step, here or in a user's process; what it wrote is durable before its end is written down.

A row of the journal that says "ended" must never reach the disk before what ended: after a power cut the run goes on
behind that row. Most steps sync what they write themselves, file by file. A step that has others write, such as git or
a build, cannot; it names the places instead (`Step.durable`), and their file systems are synced here.
"""

from __future__ import annotations

from collections.abc import Callable

from fsm.adapter import Done, Step, StepContext, StepResult
from fsm.system import files


def perform(step: Step, verb: str, ctx: StepContext) -> StepResult:
    """Call `do`, `undo`, `keep_down` or `keep_up` of a step; returns what it does.

    Raises:
        OSError: it has ended, but what it wrote could not be made durable.
    """
    act: Callable[[StepContext], StepResult] = getattr(step, verb)
    result = act(ctx)
    if isinstance(result, Done):
        files.sync_places(step.durable(ctx))
    return result
