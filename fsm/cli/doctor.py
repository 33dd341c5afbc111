"""`fsm doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fsm.cli import common, output
from fsm.cli.codes import Code
from fsm.errors import ConfigError

if TYPE_CHECKING:
    from fsm.adapter import Finding


@click.command()
@click.option("--set-aside-journal", is_flag=True, help="Move a journal that cannot be read out of the way; keeps it.")
@common.json_option
def doctor(set_aside_journal: bool, as_json: bool) -> int:
    """Look for what would make updates fail here.

    Permissions, file systems, disk, clock, journal, services, and what each component type knows about its own. Exit
    code 40 when there is an error, 0 with warnings only.
    """
    if set_aside_journal:
        return _set_aside(as_json)
    findings = _examine()
    if as_json:
        output.emit(findings)
    else:
        _print(findings)
    return Code.FAILED if any(finding.level == "error" for finding in findings) else Code.DONE


def _examine() -> Sequence[Finding]:
    from fsm.adapter import Registry  # noqa: PLC0415 - loaded with the façade
    from fsm.host.doctor import examine_without  # noqa: PLC0415 - only for this command

    try:
        return common.updater().doctor()
    except ConfigError as error:
        return examine_without(error, Registry.discover())


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        text = f"{finding.level:7} {finding.subject}: {finding.message}"
        output.say(f"{text}; {finding.todo}" if finding.todo and finding.level != "ok" else text)
    counts = [sum(finding.level == level for finding in findings) for level in ("error", "warning")]
    output.say("nothing to worry about" if not any(counts) else f"{counts[0]} errors, {counts[1]} warnings")


def _set_aside(as_json: bool) -> int:
    from fsm.adapter import Registry  # noqa: PLC0415 - loaded with the façade
    from fsm.host.journal_reset import set_aside  # noqa: PLC0415 - only for this option

    done = set_aside(common.updater().config, Registry.discover())
    if as_json:
        output.emit([done])
        return Code.DONE
    for path in done.moved:
        output.say(f"kept as {path}")
    output.say("the next command begins a new journal; interrupted runs, history, holds and pins are no longer known")
    output.say("no component was touched: see with `fsm status` that each has the version it should have, and runs")
    for path in done.leftovers:
        output.say(f"left over from a run that ended in the middle: {path}")
    return Code.DONE
