"""The mutants of `make mutation`: they are changes, they are found, and the list of survivors follows the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import mutation

SOURCE = """\
def act(n, done):
    if n < 3 and not done:
        note(n, done, why="x")
    return n + 1
"""


def every() -> list[Path]:
    """The files that are mutated."""
    return [path for pattern in mutation.MODULES for path in sorted(mutation.ROOT.glob(pattern))]


def test_a_mutant_is_one_small_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Comparisons, conditions, constants, results, calls and their arguments."""
    monkeypatch.setattr(mutation, "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(SOURCE)
    found = mutation.mutants(tmp_path / "a.py")
    assert {mutant.what.partition(": ")[2] for mutant in found} == {
        "n < 3 and (not done) => n < 3 or not done",
        "n < 3 => n <= 3",
        "3 => 4",
        "not done => done",
        "note(n, done, why='x') => pass",
        "note(n, done, why='x') => note(done, n, why='x')",
        "note(n, done, why='x') => note(n, done)",
        "return n + 1 => return None",
        "n + 1 => n - 1",
        "1 => 2",
    }
    whole = ast.unparse(ast.parse(SOURCE))
    assert all(len(set(mutant.source().splitlines()) - set(whole.splitlines())) == 1 for mutant in found)


def test_each_mutant_has_a_name_of_its_own():
    """By which the list of survivors knows it."""
    names = [str(mutant) for path in every() for mutant in mutation.mutants(path)]
    assert len(names) > 1000
    assert len(set(names)) == len(names)


def test_every_known_survivor_exists_and_has_a_reason():
    """The list follows the code."""
    known = mutation.reasons()
    assert set(known) <= {str(mutant) for path in every() for mutant in mutation.mutants(path)}
    assert all(known.values())


def test_each_module_has_its_tests():
    """What is mutated is there, and so is what must notice."""
    assert all(list(mutation.ROOT.glob(pattern)) for pattern in mutation.MODULES)
    assert all((mutation.ROOT / test).exists() for tests in mutation.MODULES.values() for test in tests)
