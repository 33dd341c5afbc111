"""What imports what, where import-linter cannot see it or says it less sharply."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, sources, tree
from tools import import_all

HEAVY = frozenset({"sh", "transitions", "urllib3", "ruamel", "rich", "github", "uv"})


def _imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}):
            yield node
            yield from _at_run_time(node)


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not (isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}):
            yield node
            yield from _at_import(node)


def test_an_effect_library_has_at_most_one_importer():
    """One file to read, one file to change."""
    importers: dict[str, list[Path]] = {"transitions": [], "sh": [], "github": []}
    for path in sources():
        for library in importers.keys() & set(_imported(_at_run_time(tree(path)))):
            importers[library].append(path.relative_to(ROOT))
    assert {library: len(found) for library, found in importers.items()} == dict.fromkeys(importers, 1), importers


def test_heavy_libraries_are_imported_where_they_are_used():
    """`fsm status` does not pay for what it does not use."""
    eager = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in sources()
        if (found := HEAVY & set(_imported(_at_import(tree(path)))))
    }
    assert not eager


@pytest.mark.processes
@pytest.mark.parametrize("options", [[], ["--refuse"]], ids=["here", "as on Windows"])
def test_every_module_imports(options: list[str]):
    """The release side runs on macOS and Windows; what works on Linux only says so when it is used."""
    command = [sys.executable, str(ROOT / "tools" / "import_all.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.processes
def test_the_refusal_refuses(tmp_path: Path):
    """A module of ours that imports fcntl, or uses os.fork, at its top is found."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tools import import_all
import_all.refuse()
import os, types
assert not hasattr(os, "fork")
ours = types.ModuleType("fsm.somewhere")
try:
    exec("import fcntl", ours.__dict__)
except ImportError as error:
    assert "fsm.somewhere imports fcntl" in str(error)
else:
    raise SystemExit("not refused")
import fcntl
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=tmp_path)


def test_modules_are_found():
    """The list that is imported is not empty by accident."""
    names = import_all.modules()
    assert {"fsm", "fsm.errors", "fsm.engine.journal.store", "fsm_git"} <= set(names)
    assert not [name for name in names if name.endswith("__main__")]
