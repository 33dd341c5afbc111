"""`fsm init`."""

from __future__ import annotations

from pathlib import Path

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code


@click.command(cls=commands.Command, examples=("fsm init", "fsm init /etc/fsm/fsm.toml"))
@click.argument("path", required=False, type=click.Path())
@common.json_option
def init(path: str | None, as_json: bool) -> int:
    """Write a commented fsm.toml to start from.

    Writes to PATH, to the file that --config names, or to ./fsm.toml. Never overwrites a file.
    """
    from fsm.host.config_template import write  # noqa: PLC0415 - only for this command

    target = Path(path) if path else common.config_path() or Path("fsm.toml")
    write(target)
    if as_json:
        from fsm.cli.shapes import Written  # noqa: PLC0415 - pydantic, only for --json

        output.emit([Written(path=str(target.absolute()))])
    else:
        output.say(f"wrote {target}: every setting is commented out; enable what you need, then run `fsm doctor`")
    return Code.DONE
