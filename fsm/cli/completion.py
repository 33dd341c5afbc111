"""`fsm completion`."""

from __future__ import annotations

import click

from fsm.cli import commands, output
from fsm.cli.codes import Code
from fsm.cli.quick import COMPLETE


@click.command(cls=commands.Command, examples=("fsm completion bash", "fsm completion fish"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the completion script for a shell.

    For bash, put `eval "$(fsm completion bash)"` into ~/.bashrc.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only for this command

    kind = get_completion_class(shell)
    assert kind is not None, "click has these three"
    output.say(kind(ctx.find_root().command, {}, "fsm", COMPLETE).source())
    return Code.DONE
