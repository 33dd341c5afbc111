"""`fsm data`: preserved files of earlier times that are still here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.outcomes import report
from fsm.cli.progress import shown
from fsm.cli.signals import stopping
from fsm.errors import UsageError

WHY: Final = {
    "version": "belong to a kept version",
    "set_aside": "gave way to others",
    "written": "written by a version that was rolled back",
}
"""Why files are there, in words."""

LIST: Final = "list"
BRING_BACK: Final = "bring-back"


@click.command(cls=commands.Command, examples=("fsm data core list", "fsm data core bring-back 9"))
@click.argument("name", shell_complete=common.complete_names)
@click.argument("what", type=click.Choice([LIST, BRING_BACK]))
@click.argument("run", required=False)
@common.json_option
def data(name: str, what: str, run: str | None, as_json: bool) -> int:
    """List files that were set aside, and bring them back.

    `list` shows what is here: the files of kept versions, which go with them by retention, those that gave way in a
    rollback, and those that a version wrote before it was rolled back. `bring-back RUN` stops the app, sets its
    present files aside in turn, copies those of that run to their places, and starts it again; it is undone if that
    fails. Files that were written by a version that was rolled back replace those of their names only.
    """
    if (run is None) != (what == LIST):
        why = "it needs the RUN of the files" if run is None else f"{LIST} shows those of all runs"
        raise UsageError(f"cannot {what} files", why, f"see `fsm data {name} {LIST}`")
    if run is None:
        return _list(name, as_json)
    updater = common.updater([name])
    with stopping(updater.shutdown), shown(updater):
        result = updater.bring_back(name, run)
    return report([result], as_json)


def _list(name: str, as_json: bool) -> int:
    kept = common.updater([name]).kept_data(name)
    if as_json:
        output.emit(kept)
        return Code.DONE
    now = datetime.now(UTC)
    rows = [
        (
            each.id,
            str(each.version or "-"),
            output.ago(each.made_at, now),
            str(each.files),
            output.size(each.size),
            WHY[each.why],
            str(each.path),
        )
        for each in kept
    ]
    if not rows:
        output.say(f"{name}: nothing is set aside")
    for line in output.table(("RUN", "OF", "LAST USED", "FILES", "SIZE", "WHY", "WHERE"), rows) if rows else ():
        output.say(line)
    return Code.DONE
