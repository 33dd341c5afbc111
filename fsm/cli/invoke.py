"""A command line through click: parsed, then performed."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from fsm.cli import ending, output, quick
from fsm.cli.app import fsm
from fsm.cli.codes import Code


def invoked(args: list[str]) -> int:
    """The exit code of a command line; nothing is raised.

    Args:
        args: its words, without the program's name.
    """
    as_json = "--json" in args
    return ending.ended(lambda: _parsed(lambda: _invoke(args), as_json), as_json)


def _invoke(args: list[str]) -> int:
    if os.environ.get(quick.COMPLETE):
        fsm.main(args, prog_name="fsm", complete_var=quick.COMPLETE)
    with fsm.make_context("fsm", args, terminal_width=quick.width()) as context:
        code: int = fsm.invoke(context)
        return code


def _parsed(command: Callable[[], int], as_json: bool) -> int:
    """What click itself ends a command with."""
    try:
        return command()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _usage(error, as_json)
    except click.Abort:
        return ending.interrupted()


def _usage(error: click.ClickException, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.tell(error.message)
        return Code.USAGE
    todo = f"see `{context.command_path} --help`" if context else "see `fsm --help`"
    if isinstance(error, click.NoSuchOption) and error.option_name == "--config":
        todo = "put it before the command: `fsm --config FILE ...`"
    message = error.format_message().rstrip(".")
    return ending.report(Code.USAGE, message[:1].lower() + message[1:], "", todo, "UsageError", as_json)
