"""Calling a step, here or in a user's process; what it wrote is durable before its end is written down.

A row of the journal that says "ended" must never reach the disk before what ended: after a power cut the run goes on
behind that row. Most steps sync what they write themselves, file by file. A step that has others write, such as git or
a build, cannot; it names the places instead (`Step.durable`), and their file systems are synced here.
"""

from __future__ import annotations

from collections.abc import Callable

from fsm.adapter import Done, Failed, Step, StepContext, StepResult
from fsm.errors import Refused, StepFailed
from fsm.system import files


def perform(step: Step, verb: str, ctx: StepContext) -> StepResult:
    """Call `do`, `undo`, `keep_down` or `keep_up` of a step; returns what it does.

    Raises:
        OSError: it has ended, but what it wrote could not be made durable.
    """
    act: Callable[[StepContext], StepResult] = getattr(step, verb)
    result = act(ctx)
    if isinstance(result, Done):
        try:
            places = step.durable(ctx)
        except (StepFailed, Refused) as error:  # whoever knows is asked, such as an engine; no release is to blame
            return Failed(why=error.cause, todo=error.todo, blame="host")
        files.sync_places(places)
    return result
