"""`fsm install-service`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.errors import UsageError

if TYPE_CHECKING:
    from fsm.host.boot.installing import InstalledUnits, Installer


@click.command(
    "install-service",
    cls=commands.Command,
    examples=("fsm install-service --dry-run", "fsm install-service --within 300"),
)
@click.option("--user", is_flag=True, help="Install units of this user, not of the system.")
@click.option(
    "--within", metavar="SECONDS", type=common.Patience(min=1), help="How long resumed runs may take at boot."
)
@click.option("--dry-run", is_flag=True, help="Show the units without installing them.")
@click.option("--remove", is_flag=True, help="Remove the units.")
@common.json_option
def install_service(user: bool, within: float | None, dry_run: bool, remove: bool, as_json: bool) -> int:
    """Resume at boot and check for releases, by systemd.

    Writes and enables fsm-resume.service, fsm-check.service and fsm-check.timer. Run it again after changing the
    configuration; units that are up to date stay as they are.
    """
    from fsm.host.boot.installing import Installer  # noqa: PLC0415 - only for this command
    from fsm.host.boot.units import WITHIN  # noqa: PLC0415 - only for this command

    if dry_run and remove:
        raise UsageError(
            "cannot use --dry-run together with --remove", "they exclude each other", "leave one of them out"
        )
    installer = Installer(common.updater().config, user=user, within=within or WITHIN)
    if dry_run:
        return _show(installer, as_json)
    done = installer.remove() if remove else installer.install()
    if as_json:
        output.emit([done])
    else:
        _print(done)
    return Code.DONE


def _show(installer: Installer, as_json: bool) -> int:
    if as_json:
        from fsm.cli.shapes import UnitText  # noqa: PLC0415 - pydantic, only for --json

        output.emit([UnitText(name=name, text=text) for name, text in installer.texts.items()])
        return Code.DONE
    for name, text in installer.texts.items():
        output.say(f"==> {name} <==\n{text}")
    return Code.DONE


def _print(done: InstalledUnits) -> None:
    for verb, names in (("wrote", done.written), ("unchanged", done.unchanged), ("removed", done.removed)):
        for name in names:
            output.say(f"{verb} {done.directory / name}")
    if not (done.written or done.unchanged or done.removed):
        output.say(f"nothing to remove in {done.directory}")
    output.notes(done.notes, "")
