"""The reference of the command line, from the click commands themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import click

from fsm.cli.app import COMMANDS, fsm
from fsm.cli.codes import MEANING, SEVERITY
from fsm.cli.quick import WIDTH

EVERYWHERE: Final = ("as_json", "help")
"""Options of every command, which the page says once."""


def overview() -> str:
    """What `fsm --help` says, for those who will not wait for click."""
    with fsm.make_context("fsm", [], terminal_width=WIDTH, resilient_parsing=True) as context:
        return f"{fsm.get_help(context)}\n"


def commands() -> str:
    """One section for each command: what it does, examples, and the options that not every command has."""
    with click.Context(fsm, info_name="fsm") as context:
        sections = [section for entry in COMMANDS for section in _sections(context, entry.name)]
    return "\n" + "\n".join(sections)


def _sections(parent: click.Context, name: str, told: frozenset[str] = frozenset()) -> Iterator[str]:
    """The section of a command; of one that has commands, also what several of these take, and each of them.

    Args:
        told: rows of options that the section of the parent has.
    """
    command = _command(parent, name)
    with click.Context(command, info_name=name, parent=parent) as context:
        below = command.list_commands(context) if isinstance(command, click.Group) else []
        rows = _options(command, context)
        counts = Counter(row for each in below for row in _options(_command(context, each), context))
        common = [row for row, count in counts.items() if count > 1]
        yield _section(command, context, rows, told, common)
        for each in below:
            yield from _sections(context, each, frozenset(common))


def _command(parent: click.Context, name: str) -> click.Command:
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None, name
    return command


def _section(
    command: click.Command, context: click.Context, rows: list[str], told: frozenset[str], common: list[str]
) -> str:
    path = context.command_path
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {path}", "", "```text", f"{path} {usage}", "```", "", *_paragraphs(command.help or "")]
    lines += ["```text", *getattr(command, "examples", ()), "```", ""]
    shared = [row.split(" |")[0].split(" *")[0].removeprefix("| ") for row in rows if row in told]
    if shared:
        above = context.parent.command_path if context.parent else ""
        lines += [f"Options of [{above}](#{above.replace(' ', '-')}): {', '.join(shared)}.", ""]
    own = [row for row in rows if row not in told]
    if common:
        lines += ["Options that several of its commands have:", ""]
    lines += ["| option | meaning |", "|---|---|", *own, *common, ""] if own or common else []
    return "\n".join(lines)


def _options(command: click.Command, context: click.Context) -> list[str]:
    """The rows of a command's options, without those of every command."""
    options = [each for each in command.params if isinstance(each, click.Option) and each.name not in EVERYWHERE]
    return [_row(option, context) for option in options]


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
