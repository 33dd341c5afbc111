"""What programs and adapters import: `fsm`, `fsm.adapter` and `fsm.kit`, and nothing below."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fsm
from fsm import errors

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ("fsm", "fsm.adapter", "fsm.kit")
PYTHON = re.compile(r"^ *```python\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    *(ROOT / "docs" / "tutorial").glob("*.md"),
]
PROGRAMS = sorted((ROOT / "examples").rglob("*.py"))


def _below(source: str) -> Iterator[str]:
    """What a program imports of the framework beside the public names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [node.module, *(name for name in names if name in PUBLIC)]
        else:
            continue
        yield from (each for each in modules if re.match(r"fsm(\.|_|$)", each) and each not in PUBLIC)


def _for_type_checkers() -> set[str]:
    tree = ast.parse((ROOT / "fsm" / "__init__.py").read_text(encoding="utf-8"))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name for node in ast.walk(guarded[0]) if isinstance(node, ast.ImportFrom) for alias in node.names}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_for_people_use_public_names_only(page: Path):
    """Nobody learns a name that may be gone tomorrow."""
    assert [found for block in PYTHON.findall(page.read_text(encoding="utf-8")) for found in _below(block)] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_the_examples_use_public_names_only(program: Path):
    """They are what a program of somebody else would be."""
    assert list(_below(program.read_text(encoding="utf-8"))) == []


def test_what_lies_below_is_found():
    """The two tests above can fail."""
    source = (
        "import fsm.host\nfrom fsm import Updater, kit\nfrom fsm.kit.download import Download\nimport fsm_git, fsmish"
    )
    assert list(_below(source)) == ["fsm.host", "fsm.kit.download", "fsm_git"]


@pytest.mark.parametrize("name", [name for name in fsm.__all__ if name != "__version__"])
def test_every_public_name_is_there(name: str):
    """It is the same object as where it is defined."""
    found = getattr(fsm, name)
    assert found is getattr(sys.modules[fsm._WHERE[name]], name)


def test_the_three_lists_of_names_agree():
    """What is loaded late, what type checkers see, and what `dir` and the star show."""
    assert set(fsm.__all__) - {"__version__"} == set(fsm._WHERE) == _for_type_checkers()
    assert dir(fsm) == sorted(fsm.__all__)


def test_every_error_is_public():
    """A program can catch whatever a verb raises."""
    defined = {
        name for name, each in vars(errors).items() if isinstance(each, type) and each.__module__ == "fsm.errors"
    }
    assert defined - set(fsm.__all__) == set()


@pytest.mark.processes
def test_importing_fsm_is_cheap():
    """None of its own modules is loaded but the version and what loads the others, and no library."""
    script = "import sys; before = set(sys.modules); import fsm; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert {name.partition(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names == {"fsm"}
    own = {name for name in done.stdout.split() if name.startswith("fsm")}
    assert own == {"fsm", "fsm.system", "fsm.system.late", "fsm.version"}
