"""`fsm history` and `fsm show`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.plan import data_lines
from fsm.errors import count
from fsm.system.masking import masked

if TYPE_CHECKING:
    from fsm.engine.plan import Plan
    from fsm.engine.report import RunReport, StepReport
    from fsm.updater import Updater


@click.command(cls=commands.Command, examples=("fsm history core --limit 10", "fsm history --verify"))
@common.name_argument
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), default=50, show_default=True, help="Show at most N runs."
)
@click.option("--verify", is_flag=True, help="Verify that no row of the journal was edited or removed.")
@common.json_option
def history(name: str | None, limit: int, verify: bool, as_json: bool) -> int:
    """List past runs, or verify the journal.

    The newest run comes first. With --verify, exits with 40 if the journal's hash chain is broken.
    """
    updater = common.updater()
    if verify:
        return _verify(updater, as_json)
    if name is not None and not updater.history(name, limit=1):
        updater.config.component(name)
    runs = updater.history(name, limit=limit)
    if as_json:
        output.emit(runs)
    elif not runs:
        output.say("no runs yet")
    else:
        now = datetime.now(UTC)
        header = ("RUN", "COMPONENT", "KIND", "FROM", "TO", "OUTCOME", "STARTED", "TOOK", "DOWN")
        for line in output.table(header, [_row(run, now) for run in runs]):
            output.say(line)
    return Code.DONE


def _row(run: RunReport, now: datetime) -> tuple[str, ...]:
    return (
        str(run.run),
        run.component,
        run.kind,
        run.from_version or "-",
        run.to_version or "-",
        run.outcome,
        output.ago(run.started_at, now),
        f"{run.seconds:.1f} s",
        "-" if run.downtime is None else f"{run.downtime:.2f} s",
    )


def _verify(updater: Updater, as_json: bool) -> int:
    from fsm.cli.shapes import Verified  # noqa: PLC0415 - pydantic, loaded with the façade

    problems, newest = updater.verify_history()
    found = Verified(rows=updater.history_rows(), problems=tuple(problems), newest_hash=newest)
    if as_json:
        output.emit([found])
    elif problems:
        for problem in problems:
            output.say(problem)
        output.say(
            "the journal was changed after it was written; installed components are not affected; see `fsm doctor`"
        )
    else:
        output.say(f"{count(found.rows, 'row')}, the chain is intact, newest hash {newest}")
    return Code.FAILED if problems else Code.DONE


@click.command(cls=commands.Command, examples=("fsm show 12", "fsm show 12 --json"))
@click.argument("run", type=int)
@common.json_option
def show(run: int, as_json: bool) -> int:
    """Show everything about one run.

    Its steps with times, retries and messages, its notes, and the paths it worked on.
    """
    from fsm.engine.report import UpdateResult  # noqa: PLC0415 - loaded with the façade

    report, made = common.updater().show(run)
    if as_json:
        output.emit([UpdateResult(**dict(report), plan=made)])
        return Code.DONE
    for line in _lines(report, made, datetime.now(UTC)):
        output.say(line)
    return Code.DONE


def _lines(run: RunReport, made: Plan | None, now: datetime) -> Iterator[str]:
    yield output.one_line(run.headline)
    yield f"run: {run.run}, {run.kind}, state {run.state}, outcome {run.outcome}, attempt {run.attempt}"
    ended = f", ended {run.ended_at}" if run.ended_at else ""
    yield f"started: {run.started_at} ({output.ago(run.started_at, now)}){ended}, {run.seconds:.1f} s"
    if run.downtime is not None:
        yield f"downtime: {run.downtime:.2f} s"
    yield f"the installed component was {'' if run.touched else 'not '}touched"
    if run.reason:
        yield f"reason: {run.reason}"
    if run.todo:
        yield f"to do: {run.todo}"
    yield from (f"note: {note}" for note in run.notes)
    if run.steps:
        rows = [_step(number, step) for number, step in enumerate(run.steps, start=1)]
        yield from output.table(("#", "PHASE", "STEP", "STATUS", "STARTED", "TOOK", "RETRIES", "MESSAGE"), rows)
    if made is not None:
        yield from data_lines(made, run.run)
        yield "paths:"
        yield from (
            f"  {step.name}: {', '.join(paths)}" for step in made.steps if (paths := _paths(masked(step.args), run.run))
        )


def _step(number: int, step: StepReport) -> tuple[str, ...]:
    return (
        str(number),
        step.phase,
        step.title,
        step.status,
        (step.started_at or "-")[11:19] or "-",
        "-" if step.seconds is None else f"{step.seconds:.2f} s",
        str(step.retries) if step.retries else "-",
        step.message or "-",
    )


def _paths(value: Any, run: int | None) -> list[str]:
    """The absolute paths among a step's arguments, each once."""
    if isinstance(value, str):
        return [value.replace("{run}", str(run))] if value.startswith("/") else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(path for part in parts for path in _paths(part, run)))
