"""`fsm resume` where nothing is in progress: at once, and whatever else is wrong on the host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli import quick
from fsm.cli.codes import Code
from fsm.engine.report import UpdateResult
from fsm.host.quick_resume import nothing_to_do
from fsm.host.resuming import Resuming
from tests.unit.cli.conftest import Line, interrupted


@pytest.mark.processes
@pytest.mark.parametrize("more", [[], ["--within", "300"]])
def test_it_loads_neither_pydantic_nor_the_adapters(updated: Line, more: list[str]):
    """Every boot does it, with a limit, so its start-up time is a measured number."""
    updated("check")
    words = ["fsm", "--config", str(updated.path), "resume", *more]
    script = (
        f"import sys; sys.argv = {words!r}\nfrom fsm.cli import main\n"
        "code = main()\nslow = ('click', 'pydantic', 'fsm.updater', 'fsm_python_app', 'importlib.metadata', 'rich',"
        " 'inspect')\n"
        "print(code, [name for name in slow if name in sys.modules])"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, env=environ
    )
    assert done.stdout.splitlines() == ["nothing is in progress", "0 []"]


@pytest.mark.parametrize("command", ["resume", "status"])
def test_both_ways_say_the_same(updated: Line, monkeypatch: pytest.MonkeyPatch, command: str):
    """What is not typed exactly so is parsed by click."""
    updated("check")
    updated(command)
    at_once = updated(command)
    monkeypatch.setattr("fsm.cli.quick.answer", lambda args: None)
    assert updated(command) == at_once


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_help_is_what_click_would_say(line: Line, monkeypatch: pytest.MonkeyPatch, columns: str):
    """As `make generate` has written it; a narrow terminal has one of its own, and so has an incomplete package."""
    monkeypatch.setenv("COLUMNS", columns)
    assert quick.answer(["--help"]) == Code.DONE
    at_once = line.bare("--help")
    monkeypatch.setattr(quick, "HELP", "/nowhere/help.txt")
    assert quick.answer(["--help"]) is None
    assert line.bare("--help") == at_once
    monkeypatch.undo()
    monkeypatch.setenv("COLUMNS", "70")
    assert quick.answer(["--help"]) is None


def test_a_question_of_a_shell_is_not_answered_at_once(monkeypatch: pytest.MonkeyPatch):
    """It has no command's words to answer."""
    monkeypatch.setenv(quick.COMPLETE, "bash_complete")
    assert quick.answer(["resume"]) is None


@pytest.mark.parametrize("seconds", ["nan", "-1", "1e9", "604801", "\u0663"])
def test_a_limit_that_is_unusual_is_parsed_by_click(updated: Line, seconds: str):
    """It says what is wrong with it, if anything is."""
    assert quick.answer(["--config", str(updated.path), "resume", "--within", seconds]) is None


@pytest.mark.processes
def test_what_is_in_progress_goes_on_without_click(updated: Line, monkeypatch: pytest.MonkeyPatch):
    """With the limit that the call names."""
    asked: list[float | None] = []

    def resume(self: Resuming, name: str | None, *, within: float | None) -> list[UpdateResult]:
        asked.append(within)
        return []

    monkeypatch.setattr(Resuming, "resume", resume)
    interrupted(updated)
    for words in (["resume"], ["resume", "--within", "300"]):
        assert quick.answer(["--config", str(updated.path), *words]) == 0
    assert asked == [None, 300.0]


def test_json_has_the_same_shape(updated: Line):
    """An empty list of results."""
    updated("check")
    assert updated("resume", "--json").results == []


def test_a_mistake_in_the_configuration_keeps_no_host_from_booting(updated: Line):
    """What is wrong with it matters when something is to be done."""
    updated("check")
    updated.path.write_text(updated.path.read_text() + "\n[nonsense]\nkey = 1\n")
    assert updated("resume").code == 0
    assert updated("check").code == 2


@pytest.mark.processes
def test_only_the_long_way_round_tells_of_what_is_in_progress(updated: Line):
    """Then everything is loaded, and the update goes on."""
    interrupted(updated)
    assert not nothing_to_do(updated.path)
    assert updated("resume").out.startswith("app: updated 1.0.0 -> 1.1.0")
    assert nothing_to_do(updated.path)


def test_what_cannot_be_read_is_left_to_the_long_way_round(tmp_path: Path):
    """It says why, in a line."""
    assert not nothing_to_do(tmp_path / "missing.toml")
    (tmp_path / "fsm.toml").write_text("[fsm\n")
    assert not nothing_to_do(tmp_path / "fsm.toml")
    (tmp_path / "fsm.toml").write_text('[fsm]\nstate_dir = "."\n')
    (tmp_path / "journal.db").write_bytes(b"no database" * 500)
    assert not nothing_to_do(tmp_path / "fsm.toml")


def test_a_host_without_a_journal_has_nothing_in_progress(tmp_path: Path):
    """And the question leaves nothing behind."""
    (tmp_path / "fsm.toml").write_text('[fsm]\nstate_dir = "state"\n')
    assert nothing_to_do(tmp_path / "fsm.toml")
    assert not (tmp_path / "state").exists()
