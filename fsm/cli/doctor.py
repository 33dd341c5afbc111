"""`fsm doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.errors import ConfigError, count

if TYPE_CHECKING:
    from fsm.adapter import Finding

_STYLES: Final = {"error": "red", "warning": "yellow", "ok": "green"}


@click.command(cls=commands.Command, examples=("fsm doctor", "fsm doctor --set-aside-journal"))
@click.option("--set-aside-journal", is_flag=True, help="Move an unreadable journal aside, without deleting it.")
@common.json_option
def doctor(set_aside_journal: bool, as_json: bool) -> int:
    """Find problems that would make updates fail on this host.

    Examines permissions, file systems, disk, clock, journal and services, and what each component type knows about its
    components. Exits with 40 if there is an error, with 0 if there are only warnings.
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
        return common.updater([]).doctor()
    except ConfigError as error:
        return examine_without(error, Registry.discover())


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        text = f" {finding.subject}: {finding.message}"
        level = output.Tinted(f"{finding.level:7}", _STYLES[finding.level])
        output.say(level, f"{text}; {finding.todo}" if finding.todo and finding.level != "ok" else text)
    errors, warnings = (sum(finding.level == level for finding in findings) for level in ("error", "warning"))
    if errors or warnings:
        found = f"{count(errors, 'error')}, {count(warnings, 'warning')}"
        output.say(output.Tinted(found, _STYLES["error" if errors else "warning"]))
    else:
        output.say(output.Tinted("no problems found", _STYLES["ok"]))


def _set_aside(as_json: bool) -> int:
    from fsm.adapter import Registry  # noqa: PLC0415 - loaded with the façade
    from fsm.host.journal_reset import set_aside  # noqa: PLC0415 - only for this option

    done = set_aside(common.updater().config, Registry.discover())
    if as_json:
        output.emit([done])
        return Code.DONE
    for path in done.moved:
        output.say(f"kept as {path}")
    output.say("the next command starts a new journal; interrupted runs, history, holds and pins are lost")
    output.say("no component was touched; check with `fsm status` that each has the right version and is running")
    for path in done.leftovers:
        output.say(f"left over from an interrupted run: {path}")
    return Code.DONE
