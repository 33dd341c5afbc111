"""Colours in `status`, `check` and `doctor`: on a terminal, or when asked for, and never in the way."""

from __future__ import annotations

import sys

import pytest

from fsm.cli import output
from tests.unit.cli.conftest import Line

ESCAPE = "\x1b["


@pytest.fixture(autouse=True)
def _without_wishes(monkeypatch: pytest.MonkeyPatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize("command", ["status", "check", "doctor"])
def test_three_commands_have_colours(command: str, updated: Line, monkeypatch: pytest.MonkeyPatch):
    """With FORCE_COLOR, and neither when piped nor with NO_COLOR, whose text is the same."""
    plain = updated(command).out
    assert ESCAPE not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in updated(command).out
    assert ESCAPE not in updated(command, "--json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in updated(command).out


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_when_there_are_colours(
    environ: dict[str, str], terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys
):
    """A terminal, if nobody says otherwise."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    output.say(output.Tinted("error", "red"), " in app")
    assert capsys.readouterr().out == ("\x1b[31merror\x1b[0m in app\n" if coloured else "error in app\n")


def test_colours_let_no_control_character_through(monkeypatch: pytest.MonkeyPatch, capsys):
    """What a release's notes would do to a terminal is still taken out."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.say(output.Tinted("a\x1b[2Jb", "green"))
    assert capsys.readouterr().out == "\x1b[32ma\N{REPLACEMENT CHARACTER}[2Jb\x1b[0m\n"


def test_a_failed_component_is_red(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """Its row and what is said about it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    updated("update")
    version = updated.app_fixture.live / "VERSION"
    version.unlink()
    lines = updated("status").out.splitlines()
    assert lines[0].startswith("\x1b[1mCOMPONENT")
    assert all(line.startswith("\x1b[31mapp") for line in lines[1:])


@pytest.mark.parametrize("character", ["\x1b[31m", *"\x9b\u202e\u2067\u061c\u200f\u2028\ufeff\U000e0041\udc80"])
def test_nothing_that_is_no_text_reaches_a_terminal(character: str, capsys: pytest.CaptureFixture[str]):
    """Neither what drives it, nor what has it show another order than there is."""
    output.say(f"a{character}b")
    output.tell(f"a{character}b\tand\nmore")
    shown = capsys.readouterr()
    assert shown.out in {"a\ufffdb\n", "a\ufffd[31mb\n"}
    assert shown.err.splitlines()[0].replace("[31m", "") == "a\ufffdb\tand"
