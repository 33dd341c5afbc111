"""`fsm rollback` and `fsm cancel`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.outcomes import report
from fsm.cli.plan import data_lines, show_plans
from fsm.cli.progress import shown
from fsm.cli.signals import stopping
from fsm.errors import FsmError, LeadsTo

if TYPE_CHECKING:
    from fsm.adapter import DataChoice
    from fsm.engine.report import UpdateResult
    from fsm.updater import Updater


@click.command(
    cls=commands.Command,
    examples=("fsm rollback core --to 1.3.0 --dry-run", "fsm rollback core --data keep"),
)
@common.name_argument
@click.option("--to", metavar="VERSION", help="Kept version to go back to. Default: the newest other one.")
@click.option(
    "--data",
    type=click.Choice(["keep", "restore"]),
    help="Preserved files: keep them as they are now, or restore those from when the version was replaced.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan without changing anything.")
@common.json_option
def rollback(name: str | None, as_json: bool, **options: Any) -> int:
    """Go back to a version kept on this host.

    Needs no network. An update in progress is rolled back. A failed rollback is continued, once its cause is fixed.
    Rolling back a finished update holds the component until `fsm unhold`.

    Preserved files that changed since the version was replaced either stay or go back to what they were then: --data
    says which, else `rollback_data` in the configuration. If neither does, fsm asks on a terminal, and refuses
    elsewhere. The files that give way are kept: `fsm data` lists them and brings them back. An update that is undone
    always restores. Git checkouts and containers leave such files as they are.
    """
    updater = common.updater([name] if name else [])
    component = common.only(name, updater.components)
    to, data = options["to"], options["data"]
    if options["dry_run"]:
        return show_plans(updater, [component], lambda each: updater.plan_rollback(each, to=to, data=data), as_json)
    if data is None and not as_json and at_terminal():
        data = _asked(updater, component, to)
    with stopping(updater.shutdown), shown(updater):
        result = updater.rollback(component, to=to, data=data)
    code = report([result], as_json)
    # An update that was in progress and is rolled back now ended as it was asked for.
    return Code.DONE if result.run is not None and result.kind == "update" and _undone(code) else code


def at_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(updater: Updater, component: str, to: str | None) -> DataChoice | None:
    """What a person at the terminal wants to become of files that changed; None where there is nothing to ask."""
    last = updater.status(component)[0].last
    if last is not None and last.outcome in ("interrupted", "failed"):
        return None  # that run is undone, or taken up again, and takes back what it did
    try:
        made = updater.plan_rollback(component, to=to)
    except FsmError as error:
        if error.leads_to is LeadsTo.INTERRUPTED:
            raise
        return None  # the rollback itself says so, in its result
    if made.data is None or made.data.choice is not None:
        return None
    for line in data_lines(made, None):
        output.tell(line)
    answer = click.prompt(
        "keep them as they are now, or restore those from then?", type=click.Choice(["keep", "restore"]), err=True
    )
    return "keep" if answer == "keep" else "restore"


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
