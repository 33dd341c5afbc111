"""The boundary: every way a command can end becomes an exit code, and never a traceback."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from fsm.cli import main, output
from fsm.cli.app import COMMANDS, fsm
from fsm.cli.quick import COMPLETE
from fsm.errors import JournalError
from fsm.version import __version__
from tests.unit.cli.conftest import Line

Sabotage = Callable[[BaseException], None]


@pytest.fixture
def sabotage(monkeypatch: pytest.MonkeyPatch) -> Sabotage:
    """Has every command that needs the façade raise something."""

    def arrange(error: BaseException) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise error

        monkeypatch.setattr("fsm.updater.Updater.from_config", fail)

    return arrange


def test_help_names_every_command(line: Line):
    """The list comes from the table, in its order."""
    ended = line.bare("--help")
    listed = [text.split()[0] for text in ended.out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert ended.code == 0
    assert listed == [entry.name for entry in COMMANDS]


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_table_says_what_the_command_says(entry, line: Line):
    """The one line in the list is the first of the command's own help."""
    ended = line.bare(entry.name, "--help")
    assert ended.code == 0
    assert ended.out.startswith(f"Usage: fsm {entry.name} ")
    assert entry.help in ended.out
    with fsm.make_context("fsm", ["status"]) as context:
        command = fsm.get_command(context, entry.name)
    assert command is not None
    assert command.name == entry.name
    assert command.help is not None
    assert command.help.splitlines()[0] == entry.help


def test_the_group_answers_as_click_expects():
    """For tools that walk through the commands."""
    with click.Context(fsm, info_name="fsm") as context:
        assert fsm.list_commands(context) == [entry.name for entry in COMMANDS]
        assert fsm.get_command(context, "nonsense") is None


@pytest.mark.processes
@pytest.mark.parametrize(("columns", "more"), [("80", set()), ("70", {"invoke", "ending", "app", "commands"})])
def test_help_imports_no_command(columns: str, more: set[str]):
    """Start-up time is a measured number: neither the façade nor a command is loaded for the list."""
    script = (
        "import sys; sys.argv = ['fsm', '--help']\nfrom fsm.cli import main\nmain()\n"
        "print([name for name in sys.modules if name in ('pydantic', 'apsw', 'rich', 'json', 'pathlib', 'fsm.updater',"
        " 'importlib.metadata') or name.startswith('fsm.cli.')])"
    )
    environ = {**os.environ, "COLUMNS": columns}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    ours = {f"fsm.cli.{name}" for name in ("run", "quick", "output", "codes", *more)}
    loaded = set(done.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    # A test's own coverage loads some of the others.
    assert loaded - {"json", "pathlib", "importlib.metadata"} == ours


def test_version(line: Line):
    """`fsm --version` is one line."""
    assert line.bare("--version") == (0, f"fsm {__version__}\n", "")


def test_no_arguments_show_the_help(line: Line):
    """On standard error, as a usage error."""
    ended = line.bare()
    assert ended.code == 2
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["stats"], "there is no command 'stats', did you mean 'status'; see `fsm --help`"),
        (["zzz"], "there is no command 'zzz'; see `fsm --help`"),
        (["--nonsense"], "no such option '--nonsense'; see `fsm --help`"),
        (["status", "--config", "x"], "put it before the command: `fsm --config FILE ...`"),
        (["update", "--jobs", "0"], "see `fsm update --help`"),
        (["show", "seven"], "'seven' is not a valid integer; see `fsm show --help`"),
    ],
)
def test_a_wrong_call_is_one_line_and_code_2(args: list[str], message: str, line: Line):
    """With a hint where the right call is described."""
    ended = line(*args)
    assert ended.code == 2
    assert ended.err.startswith("fsm: ")
    assert message in ended.err
    assert ended.err.count("\n") == 1


def test_a_wrong_call_with_json_is_json_as_well(line: Line):
    """A program that asked for JSON gets its errors as JSON."""
    ended = line("status", "--json", "--nonsense")
    assert ended.code == 2
    assert ended.error["type"] == "UsageError"
    assert ended.error["code"] == 2


def test_an_error_is_one_line_and_its_parts_in_json(line: Line):
    """What, why, what to do next."""
    line.path.write_text("[nonsense]\n")
    ended = line("check", "--json")
    assert ended.code == 2
    assert (
        ended.err == f"fsm: {line.path}:1:1: nonsense: is not a known key; known here: components, fsm, sets, trust\n"
    )
    assert ended.error == {
        "type": "ConfigError",
        "code": 2,
        "message": ended.err.removeprefix("fsm: ").rstrip(),
        "what": f"{line.path}:1:1: nonsense",
        "why": "is not a known key",
        "todo": "known here: components, fsm, sets, trust",
    }


def test_a_message_of_several_lines_and_colours_becomes_one_plain_line(line: Line, sabotage: Sabotage):
    """What a program printed must not drive the operator's terminal."""
    sabotage(JournalError("a\nb", "c\x1b[31m\td", "e"))
    ended = line("check")
    assert (ended.code, ended.err) == (40, "fsm: a b: c\N{REPLACEMENT CHARACTER}[31m d; e\n")


def test_a_bug_is_one_line_with_a_hint(line: Line, sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch):
    """Exit code 70; FSM_DEBUG shows where."""
    monkeypatch.delenv("FSM_DEBUG", raising=False)
    sabotage(ZeroDivisionError("oh"))
    ended = line("check", "--json")
    assert ended.code == ended.error["code"] == 70
    assert ended.err.startswith("fsm: unexpected error: ZeroDivisionError: oh; this is a bug")
    assert "FSM_DEBUG=1" in ended.err
    assert ended.err.count("\n") == 1
    monkeypatch.setenv("FSM_DEBUG", "1")
    ended = line("check")
    assert "Traceback" in ended.err
    assert ended.code == 70


def test_a_full_disk_is_no_bug(line: Line, sabotage: Sabotage, monkeypatch: pytest.MonkeyPatch):
    """What the system refuses is said in its own words; FSM_DEBUG shows where as well."""
    monkeypatch.delenv("FSM_DEBUG", raising=False)
    sabotage(OSError(28, "No space left on device", "/opt"))
    ended = line("check")
    assert (ended.code, ended.err.count("\n")) == (40, 1)
    assert "cannot go on: [Errno 28] No space left on device: '/opt'" in ended.err
    monkeypatch.setenv("FSM_DEBUG", "1")
    assert "Traceback" in line("check").err


def test_debugging_shows_where_an_error_comes_from(line: Line, monkeypatch: pytest.MonkeyPatch):
    """Also for errors that explain themselves."""
    monkeypatch.setenv("FSM_DEBUG", "1")
    line.path.unlink()
    ended = line("check")
    assert ended.code == 2
    assert "Traceback" in ended.err
    assert ended.err.splitlines()[-1].startswith("fsm: cannot read ")


def test_ctrl_c_leaves_no_traceback(line: Line, sabotage: Sabotage):
    """At any time."""
    sabotage(KeyboardInterrupt())
    assert line("check")[::2] == (75, "\nfsm: interrupted\n")


def test_ctrl_c_outside_of_the_boundary_leaves_none_either(monkeypatch: pytest.MonkeyPatch):
    """While the modules are being imported, say."""

    def fail() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("fsm.cli.run.run", fail)
    assert main() == 75


def test_the_collector_rests_only_while_modules_are_imported(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """It looks for nothing there; an update of minutes wants it."""
    try:
        gc.disable()
        updated("check")
        assert gc.isenabled()
        monkeypatch.setattr("fsm.cli.run.run", lambda: int(gc.isenabled()))
        assert main() == 0
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def _piped(line: Line, *args: str, **kwargs: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fsm", "--config", str(line.path), *args]
    return subprocess.run(command, check=False, timeout=60, stderr=subprocess.PIPE, **kwargs)  # type: ignore[call-overload, no-any-return]


@pytest.mark.processes
def test_a_reader_that_has_gone_does_not_change_how_an_update_ends(updated: Line):
    """`fsm update | true` updates, and ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    done = _piped(updated, "update", stdout=writer)
    os.close(writer)
    assert done.returncode == 0
    assert b"Broken" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert updated.app_fixture.version() == "1.1.0"


@pytest.mark.processes
def test_output_that_cannot_be_written_is_said(updated: Line):
    """A result that is lost is not a success."""
    with Path("/dev/full").open("wb") as full:
        done = _piped(updated, "status", stdout=full)
    assert done.returncode == 40
    assert done.stderr == b"fsm: cannot write the output: No space left on device\n"


@pytest.mark.processes
def test_closed_streams_are_no_error(updated: Line):
    """A service manager may start the updater with nothing open."""
    command = f"{sys.executable} -m fsm --config {updated.path} update >&- 2>&-"
    assert subprocess.run(command, shell=True, check=False, timeout=60).returncode == 0
    assert updated.app_fixture.version() == "1.1.0"


@pytest.mark.processes
def test_text_that_the_locale_cannot_write_is_escaped(updated: Line):
    """No failure because of a name in another script."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert _piped(updated, "hold", "--why", "größer", env=environ, stdout=subprocess.PIPE).returncode == 0
    done = _piped(updated, "status", env=environ, stdout=subprocess.PIPE)
    assert b"gr\\xf6\\xdfer" in done.stdout
    parsed = json.loads(_piped(updated, "status", "--json", env=environ, stdout=subprocess.PIPE).stdout)
    assert parsed["results"][0]["held"] == "größer"


@pytest.mark.processes
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, line: Line):
    """Each asks this program by the variable that it understands."""
    ended = line.bare("completion", shell)
    assert ended.code == 0
    assert COMPLETE in ended.out


def _completed(line: Line, *words: str) -> list[str]:
    environ = {
        **os.environ,
        COMPLETE: "bash_complete",
        "COMP_WORDS": " ".join(["fsm", "--config", str(line.path), *words]),
        "COMP_CWORD": str(len(words) + 2),
    }
    done = subprocess.run(
        [sys.executable, "-m", "fsm"], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    return [each.partition(",")[2] for each in done.stdout.splitlines() if each]


@pytest.mark.processes
def test_commands_options_and_components_are_completed(line: Line):
    """Also when the configuration would not pass: completion reads names only."""
    assert _completed(line, "re") == ["resume", "release"]
    assert "--version" in _completed(line, "--")
    assert _completed(line, "update", "--dr") == ["--dry-run"]
    line.configure(api=line.another("api", nonsense=1), web=line.another("web"))
    assert _completed(line, "update", "a") == ["app", "api"]
    assert _completed(line, "pin", "w") == ["web"]
    line.path.write_text("no toml at all")
    assert _completed(line, "update", "a") == []


@pytest.mark.parametrize(
    ("count", "text"), [(None, "unknown size"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes(count: int | None, text: str):
    """Bytes as people read them."""
    assert output.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "2 h"), (129_600, "2 days"), (9e6, "104 days")],
)
def test_durations(seconds: float, text: str):
    """One unit is enough."""
    assert output.duration(seconds) == text


@pytest.mark.parametrize(("columns", "width"), [("200", 78), ("20", 58), ("nonsense", 78)])
def test_the_help_fits_the_terminal(columns: str, width: int, line: Line, monkeypatch: pytest.MonkeyPatch):
    """Between 60 and 80 columns."""
    monkeypatch.setenv("COLUMNS", columns)
    longest = max(len(text) for text in line.bare("--help").out.splitlines())
    assert width - 15 < longest <= width
