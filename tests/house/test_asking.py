"""Who asks programs: `ask` is for what only looks, as what it starts is not journaled, and no resume would find it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.sources import ROOT, sources, tree

ASKING = {
    "components/fsm_git/command.py",
    "components/fsm_python_app/inspect.py",
    "fsm/release/check.py",
    "fsm/services/docker/client.py",
    "fsm/services/docker/compose.py",
    "fsm/services/docker/connection.py",
    "fsm/services/docker/service.py",
    "fsm/services/systemctl.py",
    "fsm/sources/git.py",
}
"""The modules that ask; a new one is looked at by a person first."""

DOCKER = sorted(name for name in ASKING if "/docker/" in name)

CHANGING = {
    *("tag", "rm", "rmi", "rename", "start", "stop", "restart", "kill", "up", "down", "pull", "push", "build"),
    *("create", "remove", "prune", "load", "import", "commit", "update", "exec", "connect", "disconnect"),
    *("pause", "unpause", "login", "logout"),
}
"""What changes something, as the first words of a command of Docker or of compose."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module, by its path."""
    for path in sources():
        yield path.relative_to(ROOT).as_posix(), tree(path)


def test_who_asks_is_known():
    """A module that begins to ask has to be added to the list above."""
    found = {
        name
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("fsm.system.shell")
        and any(each.name in ("ask", "talk") for each in node.names)
    }
    assert found - {"fsm/system/shell/__init__.py"} == ASKING


def words(node: ast.AST) -> list[str]:
    """The literal words of an argument list, in their order."""
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


@pytest.mark.parametrize("name", DOCKER)
def test_docker_is_asked_nothing_that_changes_it(name: str):
    """By the words of every list and call in each function that asks."""
    functions = [node for node in ast.walk(tree(ROOT / name)) if isinstance(node, ast.FunctionDef)]
    asking = [node for node in functions if any(_is_ask(each) for each in ast.walk(node))]
    assert asking
    for function in asking:
        said = {word for node in ast.walk(function) if isinstance(node, ast.List | ast.Call) for word in words(node)}
        assert not said & CHANGING, f"{name}:{function.lineno} {function.name} asks for {said & CHANGING}"


def _is_ask(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ask", "talk")


def test_only_one_client_calls_docker():
    """No argument list that begins with `docker` stands outside of it."""
    found = {
        name
        for name, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.List | ast.Tuple)
        and node.elts
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value in ("docker", "docker-compose")
    }
    assert {name for name in found if not name.startswith("fsm/services/docker/")} == set()
    assert found
