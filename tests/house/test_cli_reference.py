"""`docs/reference/cli.md` says once what every command has, and shows each command's own examples."""

from __future__ import annotations

from collections.abc import Iterator

import click

from fsm.cli.app import fsm
from tools import reference_cli


def _commands(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, context)
        else:
            yield command


def test_every_command_but_one_prints_json():
    """The page says so instead of a row for each."""
    with click.Context(fsm) as context:
        without = [
            command.name
            for command in _commands(fsm, context)
            if "as_json" not in [parameter.name for parameter in command.params]
        ]
    assert without == ["completion"]
    assert "`--json`" not in reference_cli.commands()


def test_examples_stand_below_what_a_command_does():
    """As they do in its help."""
    assert "\n```text\nfsm check\nfsm check core --force --exit-code\n```\n" in reference_cli.commands()


def test_choices_do_not_break_the_table():
    """A bar between choices is no column."""
    rows = [row for row in reference_cli.commands().splitlines() if row.startswith("| `")]
    assert rows
    assert [row for row in rows if row.replace("\\|", "").count("|") != 3] == []


def test_options_of_several_commands_stand_once():
    """With the group, and by name with each command that takes them."""
    page = reference_cli.commands()
    assert page.count("| `--root` *FILE* |") == 1
    assert "\nOptions of [fsm keys](#fsm-keys): `--keyring`, `--root`.\n" in page
