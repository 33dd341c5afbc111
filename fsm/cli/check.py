"""`fsm check`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from fsm.cli import common, output
from fsm.cli.codes import Code, worst

if TYPE_CHECKING:
    from fsm.host.checking import CheckResult

MOST_NOTES: Final = 12
"""Lines of release notes that a check shows."""


@click.command()
@common.names_argument
@click.option("--exit-code", is_flag=True, help="Exit with 10 when `fsm update` would install something.")
@click.option("--force", is_flag=True, help="Ask the source although the last answer is young.")
@common.json_option
def check(names: tuple[str, ...], exit_code: bool, as_json: bool, **options: Any) -> int:
    """Ask the sources for newer releases.

    Without a name every component with a source is checked; one that fails stops no other. Answers younger than
    `check_interval_hours` are believed.
    """
    updater = common.updater()
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
        output.say(f"{result.component}: {result.reason}: {output.one_line(result.error)}")
        return
    age = f"checked {output.ago(result.checked_at, now)}" if result.from_cache else "checked now"
    if result.update_available:
        move = f"{result.installed or 'unknown'} -> {result.target} is available"
        output.say(f"{result.component}: {move} ({result.reason}; {age})")
    else:
        output.say(f"{result.component}: {result.reason} ({age})")
    if result.installed is None:
        common.notes([f"the installed version is unknown: {result.why_unknown}"])
    common.notes([f"warning: {warning}" for warning in result.warnings])
    lines = result.notes.strip().splitlines()
    common.notes(lines[:MOST_NOTES], "    ")
    if len(lines) > MOST_NOTES:
        common.notes([f"({len(lines) - MOST_NOTES} more lines, see --json)"], "    ")
