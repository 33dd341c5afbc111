"""`fsm rollback` and `fsm cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.outcomes import report
from fsm.cli.progress import shown
from fsm.cli.signals import stopping

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult


@click.command(cls=commands.Command, examples=("fsm rollback core", "fsm rollback core --to 1.3.0"))
@common.name_argument
@click.option("--to", metavar="VERSION", help="Kept version to go back to. Default: the newest other one.")
@common.json_option
def rollback(name: str | None, to: str | None, as_json: bool) -> int:
    """Go back to a version kept on this host.

    Needs no network. An update in progress is rolled back. A failed rollback is continued, once its cause is fixed.
    Rolling back a finished update holds the component until `fsm unhold`.
    """
    updater = common.updater([name] if name else [])
    component = common.only(name, updater.components)
    with stopping(updater.shutdown), shown(updater):
        result = updater.rollback(component, to=to)
    code = report([result], as_json)
    # An update that was in progress and is rolled back now ended as it was asked for.
    return Code.DONE if result.run is not None and result.kind == "update" and _undone(code) else code


@click.command(cls=commands.Command, examples=("fsm cancel core", "fsm cancel @shop --timeout 60"))
@common.name_argument
@click.option("--timeout", metavar="SECONDS", type=float, default=600.0, show_default=True, help="How long to wait.")
@common.json_option
def cancel(name: str | None, timeout: float, as_json: bool) -> int:
    """Roll back the update that is in progress.

    Asks the process that works on it, and waits; if there is none, rolls back here. A member of a set takes the whole
    set with it; `@SET` names the set itself.
    """
    updater = common.updater([name] if name else [])
    component = common.only(name, updater.components)
    with stopping(updater.shutdown), shown(updater):
        result = updater.cancel(component, timeout=timeout)
    if result.outcome == "interrupted" and component in updater.components:
        holder = updater.status(component)[0].running_in
        if holder:
            return _still_going(result, holder, as_json)
    code = report([result], as_json)
    if code is Code.DONE:
        output.tell(f"fsm: {component} had finished before it could be cancelled; go back with `fsm rollback`")
        return Code.REFUSED
    return Code.DONE if _undone(code) else code


def _still_going(result: UpdateResult, holder: str, as_json: bool) -> int:
    """Another process works on it and was asked to roll back, but has not ended in time."""
    if as_json:
        output.emit([result])
    else:
        output.say(f"{result.component}: not rolled back yet: {holder} was asked to; `fsm status` shows its progress")
    return Code.BUSY


def _undone(code: int) -> bool:
    return code in (Code.ROLLED_BACK, Code.REFUSED)
