"""What documentation, code and its comments call a module, a name or a file is one: a move leaves nothing stale."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tools import describe_modules

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
TREES = ("fsm", "components", "tools", "tests", "benchmarks", "examples")
SOURCES = sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))

NAME = re.compile(r"(?<![\w./@-])fsm(?:_[a-z]\w*)?(?:\.[A-Za-z_]\w*)+(?![\w-]*[/(=@])")
PLACE = re.compile(rf"(?<![\w./-])(?:{'|'.join(TREES)}|docs)/[\w./*-]*\w/?")
SAID = re.compile(r'(?s:""".*?""")|#.*')
OTHER = {"fsm.toml", "fsm.service", "fsm.components", "fsm.jobs", "fsm.state_dir", "fsm.somewhere"}
"""What begins with the same letters: files, the entry point group, keys of the configuration, one made up by a test."""


@cache
def _exists(name: str) -> bool:
    """Whether a dotted name is a module, or leads from one to something that it has."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        # Beyond the first attribute there are fields and the like, which only instances have.
        return end == len(parts) or hasattr(found, parts[end])
    return False


def _names(text: str) -> Iterator[str]:
    for found in NAME.findall(text):
        if ".".join(found.split(".")[:2]) not in OTHER and not _exists(found):
            yield found


def _places(text: str) -> Iterator[str]:
    for found in PLACE.findall(text):
        if not list(ROOT.glob(found.rstrip("/."))) and not found.startswith("docs/_"):
            yield found


def _said(path: Path) -> str:
    """A module as text; of a test only docstrings and comments, since tests make up names."""
    text = path.read_text(encoding="utf-8")
    return text if not path.is_relative_to(ROOT / "tests") else "\n".join(SAID.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path):
    """Modules, names and files."""
    text = page.read_text(encoding="utf-8")
    assert [*_names(text), *_places(text)] == []


@pytest.mark.parametrize("tree", TREES)
def test_what_sources_name_is_there(tree: str):
    """In docstrings, comments and messages."""
    stale = {
        path.relative_to(ROOT).as_posix(): found
        for path in SOURCES
        if path.is_relative_to(ROOT / tree) and (found := [*_names(text := _said(path)), *_places(text)])
    }
    assert stale == {}


def test_stale_names_are_found():
    """The tests above can fail, and let right names pass."""
    text = "`fsm.ledger`, fsm.engine.plan.thaw and `fsm.engine.plan.melt` in fsm.toml; fsm_git.spec, `fsm_svn.spec`"
    assert list(_names(text)) == ["fsm.ledger", "fsm.engine.plan.melt", "fsm_svn.spec"]
    assert list(_places("fsm/ledger.py, fsm/engine/, `components/*/plan.py`, components/*/ledger.py")) == [
        "fsm/ledger.py",
        "components/*/ledger.py",
    ]


def test_every_package_is_in_the_table_and_has_its_modules_listed():
    """A newcomer finds each from the first table of the page."""
    packages = {path.parent.name for path in (ROOT / "fsm").glob("*/__init__.py")}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `fsm/(\w+)/` \|", page, re.MULTILINE)) == packages
    assert set(describe_modules.PACKAGES) == packages - {"cli"}, "the command line has one file for each command"


def test_every_module_says_what_it_is_for():
    """What has no first line would be an empty row."""
    assert "|  |" not in describe_modules.modules() + describe_modules.types()
