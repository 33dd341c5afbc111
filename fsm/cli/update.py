"""`fsm update` and `fsm resume`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, resuming
from fsm.cli.outcomes import report
from fsm.cli.plan import one_version, preview
from fsm.cli.progress import shown
from fsm.cli.signals import stopping
from fsm.errors import UsageError

if TYPE_CHECKING:
    from fsm.updater import Updater


@click.command(cls=commands.Command, examples=("fsm update --all", "fsm update core --version 1.4.2"))
@common.names_argument
@common.all_option
@common.set_option
@click.option("--atomic", is_flag=True, help="Update the components as one: all or none.")
@click.option("--version", metavar="VERSION", help="Install this version, even an older one; for one component.")
@click.option("--force", is_flag=True, help="Ignore holds and quarantine.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), help="Update up to N components at once.")
@click.option("--dry-run", is_flag=True, help="Show the plan without changing anything.")
@common.json_option
def update(names: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Update components to their newest release.

    Updates the components named, or the only one there is. An interrupted run is continued instead. Ctrl-C stops at
    the next safe point; `fsm resume` continues.

    With --set or --atomic, several components are updated as one: either all reach their new version, or all are
    rolled back. So is each set in the configuration whose members are all updated, as with --all.
    """
    updater = common.updater(names)
    version, force = options["version"], options["force"]
    together, wanted = _meant(names, options, updater)
    if options["dry_run"]:
        return preview(updater, wanted, version=version, force=force, as_json=as_json)
    one_version(wanted, version)
    for name in wanted:
        updater.config.component(name)
    with stopping(updater.shutdown), shown(updater):
        if together is not None:
            results = updater.update_set(together, jobs=options["jobs"], force=force)
        elif len(wanted) == 1:
            results = [updater.update(wanted[0], version=version, force=force)]
        else:
            results = updater.update_all(wanted, jobs=options["jobs"], force=force)
    return report(results, as_json)


def _meant(
    names: tuple[str, ...], options: Mapping[str, Any], updater: Updater
) -> tuple[str | Sequence[str] | None, list[str]]:
    """What is updated as one, if anything is, and which components that are.

    Raises:
        UsageError: the options contradict each other.
    """
    label, atomic, every = options["label"], options["atomic"], options["every"]
    if (label or atomic) and options["version"] is not None:
        raise UsageError("cannot use --version with a set", "it works with one component", "leave it out")
    members = common.of_set(label, names, every or atomic, updater)
    if members:
        return label, members
    wanted = common.chosen(names, updater.components, every=every)
    return (wanted if atomic else None), wanted


@click.command(cls=commands.Command, examples=("fsm resume", "fsm resume core --within 300"))
@common.names_argument
@click.option(
    "--within", metavar="SECONDS", type=common.Patience(min=0), help="Roll back what is not finished by then."
)
@common.json_option
def resume(names: tuple[str, ...], as_json: bool, within: float | None) -> int:
    """Continue what a crash or an interrupt left unfinished.

    Continues everything that is in progress, or only what is named. Safe to run at any time, ideally at every boot.
    What another updater is working on is left to it.
    """
    return resuming.resume(common.config_path(), names, within=within, as_json=as_json)
