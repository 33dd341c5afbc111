"""Commands whose help ends with examples, and groups whose commands may have a second name."""

from __future__ import annotations

import re
from typing import Any, Final

import click

RANGES: Final = ((re.compile(r"\b(\d+)<=x<=(\d+)"), r"\1 to \2"), (re.compile(r"\bx>=(\d+)"), r"at least \1"))
"""How click shows a range, and how people say it."""

LAST: Final = ("--json", "-h, --help")
"""Options of every command, which come after its own."""


def _in_words(text: str) -> str:
    for shown, said in RANGES:
        text = shown.sub(said, text)
    return text


class Command(click.Command):
    """A command whose help ends with examples.

    Args:
        examples: whole calls, as typed; a test parses each of them.
    """

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """The same for every command, whoever asks: click keeps the first help option that it makes."""
        return ["-h", "--help"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options first; ranges in words."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        rows = [row for each in options if (row := each.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl([(name, _in_words(text)) for name, text in sorted(rows, key=lambda row: row[0] in LAST)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Command`."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Group(Command, click.Group):
    """A group of such commands.

    Args:
        aliases: second names of its commands; the list shows them beside the first.
    """

    def __init__(self, *args: Any, aliases: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.aliases = aliases or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by either of its names."""
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line for each command."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            names = (name, *(alias for alias, of in self.aliases.items() if of == name))
            rows.append((", ".join(names), command.get_short_help_str(limit=90) if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
