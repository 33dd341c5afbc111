"""The reference of the command line, from the click commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from fsm.cli.app import COMMANDS, fsm
from fsm.cli.codes import MEANING, SEVERITY

EVERYWHERE: Final = ("as_json", "help")
"""Options of every command, which the page says once."""


def commands() -> str:
    """One section for each command: what it does, examples, and the options that not every command has."""
    with click.Context(fsm, info_name="fsm") as context:
        sections = [section for entry in COMMANDS for section in _sections(context, entry.name)]
    return "\n" + "\n".join(sections)


def _sections(parent: click.Context, name: str) -> Iterator[str]:
    """The section of a command and, where it has commands of its own, of each of them."""
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None, name
    with click.Context(command, info_name=name, parent=parent) as context:
        yield _section(command, context)
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                yield from _sections(context, below)


def _section(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join(command.collect_usage_pieces(context))
    paragraphs = _paragraphs(command.help or "")
    own = [each for each in command.params if isinstance(each, click.Option) and each.name not in EVERYWHERE]
    lines = [f"## {path}", "", "```text", f"{path} {usage}", "```", "", *paragraphs]
    lines += ["```text", *getattr(command, "examples", ()), "```", ""]
    lines += ["| option | meaning |", "|---|---|", *(_row(option, context) for option in own), ""] if own else []
    return "\n".join(lines)


def _paragraphs(text: str) -> Iterator[str]:
    """The help's paragraphs, each on one line."""
    for paragraph in text.replace("\f", "").split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""


def _row(option: click.Option, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if not option.is_flag:
        names += f" *{option.metavar or option.make_metavar(context)}*".replace("|", "\\|")
    default = f" Default: {option.default}." if option.show_default else ""
    return f"| {names} | {option.help}{default} |"


def exit_codes() -> str:
    """The exit codes, and which one decides among several."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in MEANING.items()]
    order = ", ".join(str(int(code)) for code in SEVERITY)
    return "\n".join(["", "| code | meaning |", "|---|---|", *rows, "", f"From harmless to bad: {order}.", "", ""])
