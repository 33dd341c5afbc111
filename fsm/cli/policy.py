"""`fsm hold`, `fsm unhold` and `fsm pin`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.errors import UsageError

if TYPE_CHECKING:
    from fsm.updater import Updater


@click.command(cls=commands.Command, examples=("fsm hold core --why 'trade fair until Friday'", "fsm hold --all"))
@common.names_argument
@common.all_option
@click.option("--why", metavar="TEXT", default="", help="Reason, shown by `fsm status`.")
@common.json_option
def hold(names: tuple[str, ...], every: bool, why: str, as_json: bool) -> int:
    """Block updates until `unhold`.

    A run in progress continues. `update --force` ignores a hold.
    """
    updater = common.updater()
    wanted = _known(updater, common.chosen(names, updater.components, every=every))
    for name in wanted:
        updater.hold(name, why)
    return _report(updater, wanted, as_json)


@click.command(cls=commands.Command, examples=("fsm unhold core", "fsm unhold --all"))
@common.names_argument
@common.all_option
@common.json_option
def unhold(names: tuple[str, ...], every: bool, as_json: bool) -> int:
    """Allow updates again after `hold`."""
    updater = common.updater()
    wanted = _known(updater, common.chosen(names, updater.components, every=every))
    for name in wanted:
        updater.unhold(name)
    return _report(updater, wanted, as_json)


@click.command(cls=commands.Command, examples=("fsm pin core '~=1.4'", "fsm pin core --remove"))
@click.argument("name", shell_complete=common.complete_names)
@click.argument("version", required=False)
@click.option("--remove", is_flag=True, help="Remove the pin.")
@common.json_option
def pin(name: str, version: str | None, remove: bool, as_json: bool) -> int:
    """Keep a component at a version or within a range.

    VERSION is a version such as 1.4.2 or a range such as '~=1.4' or '<2'.
    """
    if (version is None) is not remove:
        raise UsageError(
            f"cannot pin {name}", "it needs either a version or --remove", "for example: fsm pin core '~=1.4'"
        )
    updater = common.updater()
    updater.pin(name, version)
    return _report(updater, [name], as_json)


def _known(updater: Updater, names: Sequence[str]) -> Sequence[str]:
    """The names, after none of them turned out to be unknown: all or nothing."""
    for name in names:
        updater.config.component(name)
    return names


def _report(updater: Updater, names: Sequence[str], as_json: bool) -> int:
    found = [result for name in names for result in updater.status(name)]
    if as_json:
        output.emit(found)
    for each in () if as_json else found:
        held = f"held ({each.held})" if each.held else "not held"
        pinned = f"pinned to {each.pin}" if each.pin else "not pinned"
        output.say(output.one_line(f"{each.component}: {held}, {pinned}"))
    return Code.DONE
