"""`fsm plan`, and `fsm update --dry-run`: what an update would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import of_outcome, worst
from fsm.errors import FsmError, LeadsTo, UpToDate, UsageError, count

if TYPE_CHECKING:
    from fsm.engine.plan import Plan, PlannedStep
    from fsm.engine.report import UpdateResult
    from fsm.updater import Updater


@click.command(cls=commands.Command, examples=("fsm plan core", "fsm plan core --version 1.4.2"))
@common.names_argument
@common.all_option
@common.set_option
@click.option("--version", metavar="VERSION", help="Plan this version instead of the newest; for one component.")
@click.option("--force", is_flag=True, help="Ignore holds and quarantine.")
@common.json_option
def plan(names: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Show what an update would do, without changing anything.

    Lists the steps and how each would be undone, the downtime, downloads, disk space and preserved files.
    """
    updater = common.updater(names)
    every = options["every"]
    wanted = common.of_set(options["label"], names, every, updater)
    wanted = wanted or common.chosen(names, updater.components, every=every)
    return preview(updater, wanted, version=options["version"], force=options["force"], as_json=as_json)


def one_version(names: Sequence[str], version: str | None) -> None:
    """Refuse one version for several components.

    Raises:
        UsageError: that is asked for.
    """
    if version is not None and len(names) > 1:
        raise UsageError(
            f"cannot update {count(len(names), 'component')} to {version}",
            "--version works with one component",
            "name one",
        )


def preview(updater: Updater, names: Sequence[str], *, version: str | None, force: bool, as_json: bool) -> int:
    """Print the plans of several components.

    Returns:
        The exit code.
    """
    one_version(names, version)
    return show_plans(updater, names, lambda name: updater.plan(name, version=version, force=force), as_json)


def show_plans(updater: Updater, names: Sequence[str], make: Callable[[str], Plan], as_json: bool) -> int:
    """Print plans.

    Args:
        make: makes the plan of a component.

    Returns:
        The exit code.
    """
    results = [_planned(updater, name, make) for name in names]
    if as_json:
        output.emit(results)
    else:
        for index, result in enumerate(results):
            for line in (*([""] if index else ()), *_lines(result)):
                output.say(line)
    return worst(of_outcome(result.outcome) for result in results)


def _planned(updater: Updater, name: str, make: Callable[[str], Plan]) -> UpdateResult:
    """The plan as a result; a refusal is one as well."""
    from fsm.engine.report import Outcome, UpdateResult  # noqa: PLC0415 - loaded with the façade

    try:
        made = make(name)
    except UpToDate as error:
        return UpdateResult(component=name, outcome=Outcome.UP_TO_DATE, reason=str(error), blocked=error.blocked)
    except FsmError as error:
        if error.leads_to in (LeadsTo.USAGE, LeadsTo.PERSON, LeadsTo.INTERRUPTED):
            raise
        return UpdateResult(
            component=name,
            outcome=Outcome.REFUSED,
            reason=error.cause,
            todo=error.todo,
            blocked=error.blocked,
        )
    return UpdateResult(
        component=name,
        kind=made.kind,
        outcome=Outcome.PLANNED,
        from_version=None if made.from_version is None else str(made.from_version),
        to_version=str(made.to_version),
        notes=_waiting(updater, name, made.kind),
        plan=made,
    )


def _waiting(updater: Updater, name: str, kind: str) -> tuple[str, ...]:
    """What an update or a rollback would do before it comes to this plan."""
    last = updater.status(name)[0].last
    if last is None or last.outcome != "interrupted":
        return ()
    instead = "a rollback would undo that run" if kind == "rollback" else "an update would continue that run"
    return (f"run {last.run} is in progress; {instead} instead",)


def _lines(result: UpdateResult) -> Iterator[str]:
    if result.plan is None:
        yield result.headline
        return
    made = result.plan
    move = f"{made.from_version or 'unknown'} -> {made.to_version}"
    yield f"{made.component}: {move}, {count(len(made.steps), 'step')} ({made.component_type})"
    yield from _steps(made.steps)
    yield from _costs(made)
    yield from data_lines(made, None)
    yield from (f"note: {note}" for note in (*made.notes, *result.notes))
    yield "nothing was changed"


def data_lines(made: Plan, run: int | None) -> Iterator[str]:
    """What becomes of preserved files in a rollback; nothing where it leaves them alone.

    Args:
        run: the number of the run, where it has one.
    """
    data = made.data
    if data is None:
        return
    kept = f"kept in {data.kept_in.replace('{run}', str(run or 'RUN'))}"
    if made.kind == "data":
        back = f"{count(data.changed, 'preserved file')} ({output.size(data.size)})"
        yield f"data: {back} brought back; those that were there are {kept}"
        return
    if data.changed:
        more = ", ..." if data.changed > len(data.names) else ""
        files = f"{count(data.changed, 'preserved file')} changed since {made.to_version} was replaced"
        yield f"data: {files} ({output.size(data.size)} now): {', '.join(data.names)}{more}"
    else:
        yield f"data: no preserved file changed since {made.to_version} was replaced"
    if data.choice == "keep":
        yield f"data: they stay as they are now; those of {made.to_version} are {kept} (said by the {data.said_by})"
    elif data.choice == "restore":
        yield f"data: they go back to what they were then; the newer ones are {kept} (said by the {data.said_by})"
    else:
        yield "data: nobody said what becomes of them: --data keep or --data restore"


def _steps(steps: Sequence[PlannedStep]) -> Iterator[str]:
    phases = max(len(step.phase) for step in steps)
    titles = max(len(step.title) for step in steps)
    for number, step in enumerate(steps, start=1):
        if step.downtime == "begins":
            yield "     ---- downtime begins ----"
        undo = f"  undo: {step.undo_title}" if step.undo_title else ""
        yield f"{number:4} {step.phase:{phases}}  {step.title:{titles}}{undo}".rstrip()
        if step.downtime == "ends":
            yield "     ---- downtime ends ----"


def _costs(made: Plan) -> Iterator[str]:
    if made.user is not None:
        own = ", ".join(step.title for step in made.steps if step.by_updater)
        yield f"as user {made.user.name}: every step{f', but for: {own}' if own else ''}"
    for download in made.downloads:
        yield f"download: {download.name} ({output.size(download.size)})"
    for need in made.disk_need:
        yield f"disk: up to {output.size(need.size)} at {need.path}"
    if made.preserved:
        yield f"preserved: {', '.join(made.preserved)}"
    if not any(step.downtime for step in made.steps):
        yield "downtime: none"
