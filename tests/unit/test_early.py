"""Whether a command line starts a spare worker before the engine is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsm.engine import spare
from fsm.host import early

ROOTS = '[components.web]\ntype = "python_app"\npath = "app"\n'


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The component types of what was started, by a process that takes itself for root."""
    started: list[list[str]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(early, "text_of", lambda path: path.read_text(encoding="utf-8"))  # whoever owns it
    monkeypatch.setattr(spare, "start", lambda types: started.append(list(types)))
    return started


@pytest.mark.parametrize(
    ("more", "names", "types"),
    [
        ("", [], []),
        ('run_as = "pi"\n', [], ["python_app"]),
        ('run_as = "pi"\n', ["other"], []),
        ('run_as = "root"\n', [], []),
        ("run_as = 0\n", [], []),
        ('run_as = "pi"\n[components.site]\ntype = "git"\nrun_as = 1000\n', ["web", "site"], ["git", "python_app"]),
        ('run_as = "pi"\n[fsm]\npass_environment = ["LANG"]\n', [], []),
        ('run_as = "pi"\n[components.site]\ntype = 5\nrun_as = 1000\n', [], ["python_app"]),
        ('run_as = "pi"\n[components.site]\ntype = "a\\u0000b"\nrun_as = 1000\n', [], ["python_app"]),
        ("nonsense", [], []),
    ],
)
def test_what_the_configuration_says(tmp_path: Path, begun, more: str, names: list[str], types: list[str]):
    """Only where a component of the call is somebody else's, and not where a worker needs more from its beginning."""
    config = tmp_path / "fsm.toml"
    config.write_text(ROOTS + more, encoding="utf-8")
    early.begin(config, names)
    assert begun == ([types] if types else [])


def test_a_host_without_a_configuration(tmp_path: Path, begun):
    """Whoever loads it says what is wrong."""
    early.begin(tmp_path / "missing.toml", [])
    assert begun == []


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), RuntimeError("can't start new thread")])
def test_a_host_that_has_no_room_for_a_spare_worker(tmp_path: Path, begun, monkeypatch: pytest.MonkeyPatch, error):
    """It is only there to be quick: a boot goes on without it."""

    def start(types: list[str]) -> None:
        raise error

    monkeypatch.setattr(spare, "start", start)
    config = tmp_path / "fsm.toml"
    config.write_text(ROOTS + 'run_as = "pi"\n', encoding="utf-8")
    early.begin(config, [])
    assert begun == []


def test_a_user_who_is_not_root_has_no_workers(tmp_path: Path, begun, monkeypatch: pytest.MonkeyPatch):
    """He acts as himself."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    config = tmp_path / "fsm.toml"
    config.write_text(ROOTS + 'run_as = "pi"\n', encoding="utf-8")
    early.begin(config, [])
    assert begun == []


@pytest.mark.needs_root
def test_a_tree_of_somebody_elses(tmp_path: Path, begun):
    """Its owner counts where `run_as` says nothing."""
    config = tmp_path / "fsm.toml"
    config.write_text(ROOTS, encoding="utf-8")
    (tmp_path / "app").mkdir()
    os.chown(tmp_path / "app", 4242, 4242)
    early.begin(config, [])
    assert begun == [["python_app"]]
