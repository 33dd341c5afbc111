"""`fsm status`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.status_lines import lines
from fsm.host import quick_status


@click.command(cls=commands.Command, examples=("fsm status", "fsm status core --json"))
@common.names_argument
@common.json_option
def status(names: tuple[str, ...], as_json: bool) -> int:
    """Show the state of every component.

    The installed version, asked of the component itself; the newest release found by the last check and what blocks it;
    the last run, holds and pins. Needs no write permission and never waits.
    """
    found = _ask(names)
    if as_json:
        output.emit(found)
        return Code.DONE
    for line in lines(found, datetime.now(UTC)):
        output.say(line)
    return Code.DONE


def _ask(names: Sequence[str]) -> list[dict[str, Any]]:
    """At a glance where that is possible; else through the façade, so that the next one is."""
    found = quick_status.read(common.config_path(), names)
    if found is not None:
        return found
    from fsm.adapter import Registry  # noqa: PLC0415 - loaded with the façade

    updater = common.updater()
    results = [result for name in names for result in updater.status(name)] if names else updater.status()
    quick_status.remember(updater.config, Registry.discover())
    return [result.model_dump(mode="json") for result in results]
