"""The workflow of the forge: pinned actions, no rights that nobody asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import forge

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path: Path):
    """A tag can be moved, a commit cannot; the comment says which release it is."""
    for line in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
        if line.startswith("./"):
            continue  # of this commit
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_by_default(path: Path):
    """Each job names what it needs."""
    assert re.search(r"(?m)^permissions: \{\}$", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_commit_is_one_version_everywhere(path: Path):
    """Two workflows with different pins of one action would be one that nobody has looked at."""
    pins = {line for each in WORKFLOWS for line in re.findall(r"uses: ([^.].+)", each.read_text(encoding="utf-8"))}
    mine = re.findall(r"uses: ([^.].+)", path.read_text(encoding="utf-8"))
    assert all(sum(each.split("@")[0] == line.split("@")[0] for each in pins) == 1 for line in mine)


GOOD = "on: push\npermissions: {}\njobs:\n  a:\n    name: a\n    runs-on: x\n    timeout-minutes: 1\n    steps:\n"
FINDINGS = {
    "schema": (".github/workflows/a.yml", GOOD + "      - run: echo\n        shel: sh\n", "shel"),
    "no deadline": (".github/workflows/a.yml", GOOD.replace("timeout-minutes", "x"), "timeout-minutes"),
    "injection": (".github/workflows/a.yml", GOOD + "      - run: echo ${{ github.head_ref }}\n", "template-injection"),
    "not pinned": (".github/workflows/a.yml", GOOD + "      - uses: o/r@v1\n", "unpinned-uses"),
    "no such key": ("action.yml", "name: a\ndescription: d\nrunz: {}\n", "runz"),
    "issue form": (".github/ISSUE_TEMPLATE/a.yml", "name: a\ndescription: d\nbody: [{type: texture}]\n", "texture"),
    "dependabot": (".github/dependabot.yml", "version: 3\nupdates: []\n", "version"),
    "unknown": (".github/other.yaml", "a: 1\n", "nothing says what its schema is"),
}


@pytest.mark.processes
@pytest.mark.parametrize("finding", FINDINGS)
def test_the_gate_for_the_forge_fails(finding: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A wrong key, a danger, or a file that nothing looks at; the message says which."""
    name, text, expected = FINDINGS[finding]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert forge.main([], tmp_path) == 1
    said = capfd.readouterr()
    assert expected in said.out + said.err


def test_ci_runs_what_contributors_run():
    """One command, the same here and there."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in script
    assert "make demo" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_make_help_lists_every_target():
    """A target that nobody knows of is not used."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile.replace("\\\n", " "), re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
