"""The action as a workflow gets it: a checkout of its own, with an isolated Python in it.

What `tools/bootstrap.py` makes takes half a minute, and is made for one test (`test_action.py`, "the first run"); the
others find an environment that borrows what ours has installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.action.runner import Done, Runner
from tests.github.fake import FakeGitHub
from tests.unit.release.conftest import Repository, repository

__all__ = ["repository"]

ROOT = Path(__file__).parents[2]


def check_out(target: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Copy the tracked files as they are now, as `actions/checkout` does with those of a commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and not (without and name.startswith(without)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def of_the_action(target: Path) -> Path:
    """Copy what the action needs of this repository."""
    return check_out(target, without=("tests/", "docs/", "benchmarks/"))


def furnish(checkout: Path) -> Path:
    """Give a checkout the `.venv` that its bootstrap would make, with the packages of this one."""
    venv.create(checkout / ".venv", with_pip=False, symlinks=True)
    site = sysconfig.get_path("purelib", vars={"base": str(checkout / ".venv")})
    ours = sysconfig.get_path("purelib")
    (Path(site) / "borrowed.pth").write_text(f"{checkout}\n{checkout / 'components'}\n{ours}\n")
    (checkout / ".venv" / "bin" / "uv").symlink_to(Path(sysconfig.get_path("scripts")) / "uv")
    spec = importlib.util.spec_from_file_location("bootstrap", checkout / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    bootstrap.write_stamps("dev")
    return checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The action's checkout after a first run."""
    return furnish(of_the_action(tmp_path_factory.mktemp("action") / "fsm-updater"))


class Job:
    """A job of a workflow that uses the action, with the fake GitHub.

    Attributes:
        there: what GitHub has.
    """

    def __init__(self, checkout: Path, where: Repository, github: FakeGitHub, temp: Path) -> None:
        self.checkout, self.where, self.github, self.temp = checkout, where, github, temp
        self.there = github.add_repository("o/r")

    def act(self, *secrets: str, **inputs: str) -> Done:
        """Run the action with these inputs; an underscore in a name stands for a minus sign."""
        context = {"repository": "o/r", "api_url": self.github.api_url, "token": self.github.token}
        runner = Runner(self.where.root, context, self.temp, secrets=secrets)
        return runner.action(self.checkout, {name.replace("_", "-"): value for name, value in inputs.items()})


@pytest.fixture
def job(checkout: Path, repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A job in a repository with a description and one built archive."""
    with FakeGitHub() as github:
        yield Job(checkout, repository, github, tmp_path_factory.mktemp("job"))


@pytest.fixture
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner's own directory."""
    return tmp_path_factory.mktemp("runner")


@pytest.fixture
def run(tmp_path: Path, temp: Path) -> Callable[..., tuple[Done, Runner]]:
    """Run a composite action of steps that a test writes, with its outputs and inputs."""

    def ran(
        *steps: dict[str, Any],
        outputs: dict[str, str] | None = None,
        inputs: dict[str, str] | None = None,
        **github: str,
    ) -> tuple[Done, Runner]:
        where = tmp_path / "action"
        where.mkdir(exist_ok=True)
        action = {
            "name": "a",
            "description": "d",
            "inputs": {name: {"description": "d", "default": f"default of {name}"} for name in ("one", "two")},
            "outputs": {name: {"description": "d", "value": value} for name, value in (outputs or {}).items()},
            "runs": {"using": "composite", "steps": [{"shell": "bash", **step} for step in steps]},
        }
        with (where / "action.yml").open("w", encoding="utf-8") as file:
            YAML().dump(action, file)
        runner = Runner(tmp_path, github, temp)
        return runner.action(where, inputs or {}), runner

    return ran
