"""`fsm check`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code, worst
from fsm.errors import count

if TYPE_CHECKING:
    from fsm.host.checking import CheckResult

MOST_NOTES: Final = 12
"""Lines of release notes that a check shows."""


@click.command(cls=commands.Command, examples=("fsm check", "fsm check core --force --exit-code"))
@common.names_argument
@click.option("--exit-code", is_flag=True, help="Exit with 10 if `fsm update` would install something.")
@click.option("--force", is_flag=True, help="Ask even if the last answer is recent.")
@common.json_option
def check(names: tuple[str, ...], exit_code: bool, as_json: bool, **options: Any) -> int:
    """Ask the sources for newer releases.

    Checks every component with a source, or only those named; one that fails does not stop the others. Answers younger
    than `check_interval_hours` are reused.
    """
    updater = common.updater(names)
    force: bool = options["force"]
    results = [updater.check(name, force=force) for name in names] if names else updater.check_all(force=force)
    if as_json:
        output.emit(results)
    else:
        for result in results:
            _print(result, datetime.now(UTC))
        if not results:
            output.say("no component has a source")
    return worst(_code(result, exit_code) for result in results)


def _code(result: CheckResult, exit_code: bool) -> Code:
    if result.error is not None:
        return Code.REFUSED
    return Code.AVAILABLE if exit_code and result.update_available else Code.DONE


def _print(result: CheckResult, now: datetime) -> None:
    if result.error is not None:
        output.say(output.Tinted(f"{result.component}: {result.reason}: {output.one_line(result.error)}", "red"))
        return
    age = f"checked {output.ago(result.checked_at, now)}" if result.from_cache else "checked now"
    if result.update_available:
        move = f"{result.installed or 'unknown'} -> {result.target} is available"
        output.say(output.Tinted(f"{result.component}: {move}", "green"), f" ({result.reason}; {age})")
    else:
        output.say(f"{result.component}: {result.reason} ({age})")
    if result.installed is None:
        output.notes([f"the installed version is unknown: {result.why_unknown}"])
    output.notes([output.Tinted(f"  warning: {warning}", "yellow") for warning in result.warnings], "")
    lines = result.notes.strip().splitlines()
    output.notes(lines[:MOST_NOTES], "    ")
    if len(lines) > MOST_NOTES:
        output.notes([f"({count(len(lines) - MOST_NOTES, 'more line')}, see --json)"], "    ")
