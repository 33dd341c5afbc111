"""The mutants of `make mutants`: their places are where they say. Whether they are noticed is tried there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_has_its_place(mutant: mutants.Mutant):
    """Its text is there once, and the fault is Python: what does not even parse would be noticed by anything."""
    ast.parse(mutants.place(mutant))
    assert (mutants.ROOT / mutant.tests[-1].partition("::")[0]).exists()


def test_a_mutant_that_lost_its_place_is_an_error(tmp_path: Path):
    """The code went on; the mutant must follow."""
    (tmp_path / "a.py").write_text("x = 1\n")
    lost = mutants.Mutant("a mutant", "a.py", "y = 1", "y = 2", ())
    with pytest.raises(ValueError, match=r"a mutant: a\.py has 'y = 1' 0 times"):
        mutants.place(lost, tmp_path)


def test_each_part_has_its_mutants():
    """What an update hangs on."""
    parts = {mutant.what.partition(":")[0] for mutant in mutants.MUTANTS}
    assert parts == {"swap", "journal", "executor", "backup", "git", "resume"}
    assert len(mutants.MUTANTS) == 21
