"""`fsm update` and `fsm resume`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code, of_outcome, worst
from fsm.cli.plan import one_version, preview
from fsm.cli.progress import shown
from fsm.cli.signals import stopping
from fsm.errors import UsageError

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult
    from fsm.host.resumer import Resumer
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
    rolled back.
    """
    updater = common.updater()
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
    from fsm.host.quick_resume import nothing_to_do  # noqa: PLC0415 - not for `--help`
    from fsm.system import boot_hold  # noqa: PLC0415 - not for `--help`

    # At boot, where systemd waits: nothing that is ordered after us starts while a run needs it down.
    boot_hold.hold()
    try:
        if not names and nothing_to_do(common.config_path()):
            boot_hold.release()
            return _resumed_nothing(as_json)
        resumer = common.resumer()
        with stopping(resumer.shutdown), shown(resumer):
            results = [result for name in names or (None,) for result in _resumed(resumer, name, within)]
    finally:
        # The façade has released it, unless a run still needs its service down; then systemd sees how we end.
        boot_hold.drop()
    return report(results, as_json) if results else _resumed_nothing(as_json)


def _resumed_nothing(as_json: bool) -> int:
    from fsm.host.quick_resume import NOTHING  # noqa: PLC0415 - loaded when it was asked

    if not as_json:
        output.say(NOTHING)
    return report([], as_json)


def _resumed(resumer: Resumer, name: str | None, within: float | None) -> Sequence[UpdateResult]:
    results = resumer.resume(name, within=within)
    if name is not None and not results and name not in resumer.components:
        raise UsageError(f"there is no component {name!r}", "nothing of that name is in progress", "see `fsm status`")
    return results


def report(results: Sequence[UpdateResult], as_json: bool) -> int:
    """Print how each component ended.

    Returns:
        The exit code: that of the worst.
    """
    if as_json:
        output.emit(results)
    for result in () if as_json else results:
        output.say(output.one_line(result.headline))
        common.notes(result.notes)
    code = worst(of_outcome(result.outcome) for result in results)
    if code is Code.INTERRUPTED and any(result.in_progress for result in results):
        output.tell("fsm: interrupted; run `fsm resume` to continue")
    return code
