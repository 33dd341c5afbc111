"""Help texts: each ends with examples that work, and every command is listed once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

import click
import pytest

from fsm.cli import commands, quick
from fsm.cli.app import COMMANDS, fsm
from fsm.cli.keys import keys
from tests.unit.cli.conftest import Line


def _all(parent: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], commands.Command]]:
    """Every command with the words that call it, the root first."""
    command = parent.command
    assert isinstance(command, commands.Command), path
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(parent):
            below = command.get_command(parent, name)
            assert below is not None
            with click.Context(below, info_name=name, parent=parent) as context:
                yield from _all(context, (*path, name))


ALL = dict(_all(click.Context(fsm, info_name="fsm")))
EXAMPLES = [(path, example) for path, command in ALL.items() for example in command.examples]


def test_every_command_is_looked_at():
    """Those of the table, and those below `release` and `keys`."""
    assert {path[0] for path in ALL if path} == {entry.name for entry in COMMANDS}
    assert ("release", "yank") in ALL
    assert ("keys", "rotate") in ALL


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(("fsm", *path)))
def test_help_ends_with_two_examples(path: tuple[str, ...], line: Line):
    """Whole calls, as they are typed."""
    examples = ALL[path].examples
    assert len(examples) == 2
    ended = line.bare(*path, "--help")
    assert ended.code == 0
    assert ended.out.endswith("\n\nExamples:\n" + "".join(f"  {example}\n" for example in examples))


@pytest.mark.parametrize(("path", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_each_example_can_be_called(path: tuple[str, ...], example: str, line: Line, monkeypatch: pytest.MonkeyPatch):
    """Its command, options and arguments are accepted; what the command does is not done."""
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(quick, "answer", lambda args: None)  # which calls no command

    def record(words: tuple[str, ...]) -> Callable[..., int]:
        def callback(*args: object, **params: object) -> int:
            called.append(words)
            return 0

        return callback

    for words, command in ALL.items():
        if not isinstance(command, click.Group):
            monkeypatch.setattr(command, "callback", record(words))
    program, *args = shlex.split(example)
    assert program == "fsm"
    assert line.bare(*args) == (0, "", "")
    (words,) = called
    assert words[: len(path)] == path


def test_yank_and_unpublish_are_one_command(line: Line):
    """Listed once, with both names."""
    listed = line.bare("release", "--help").out
    assert "  yank, unpublish  " in listed
    assert listed.count("unpublish") == 1
    first, second = (line.bare("release", name, "--help").out for name in ("yank", "unpublish"))
    assert second.splitlines()[1:] == first.splitlines()[1:]


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(("fsm", *path)))
def test_options_read_well(path: tuple[str, ...], line: Line):
    """Ranges are said in words, and what every command has comes after its own options."""
    shown = line.bare(*path, "--help").out
    assert "<=" not in shown
    assert ">=" not in shown
    section = shown.partition("\nOptions:\n")[2].partition("\n\n")[0]
    options = re.findall(r"^  (\S+)", section, re.MULTILINE)
    assert all(option.startswith("-") for option in options), "arguments are none"
    assert options[-1] == "-h,"
    assert "--json" not in options[:-2]


def test_a_range_is_said_in_words(line: Line):
    """With both ends, or with the lower one."""
    assert "[1 to 64]" in line.bare("update", "--help").out
    assert "[default: 50; at least 1]" in " ".join(line.bare("history", "--help").out.split())


def test_help_is_the_same_whoever_asked_first():
    """A command that is asked without the program around it, as for the reference, knows -h as well."""
    assert "-h, --help" in keys.get_help(click.Context(keys))
