"""The workflow of the forge: pinned actions, no rights that nobody asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path):
    """A tag can be moved, a commit cannot; the comment says which release it is."""
    for line in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_by_default(path: Path):
    """Each job names what it needs."""
    assert re.search(r"(?m)^permissions: \{\}$", path.read_text(encoding="utf-8"))


def test_ci_runs_what_contributors_run():
    """One command, the same here and there."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in script
    assert "make demo" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_make_help_lists_every_target():
    """A target that nobody knows of is not used."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
