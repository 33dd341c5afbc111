"""The action as a workflow gets it: a checkout of its own, in which its first run makes an isolated Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.action.runner import Done, Runner
from tests.github.fake import FakeGitHub
from tests.unit.release.conftest import Repository, repository

__all__ = ["repository"]

ROOT = Path(__file__).parents[2]

KEPT = ("PATH", "HOME", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "SOURCE_DATE_EPOCH")
"""What the job has of this host: programs, where packages come from, and the time of the release."""


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files as they are now."""
    target: Path = tmp_path_factory.mktemp("action") / "fsm-updater"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


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
        runner = Runner(self.checkout, self.where.root, self.temp, context, (self.github.token, *secrets))
        env = {name: os.environ[name] for name in KEPT if name in os.environ}
        env |= {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_API_URL": self.github.api_url}
        return runner.run({name.replace("_", "-"): value for name, value in inputs.items()}, env)


@pytest.fixture
def job(checkout: Path, repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A job in a repository with a description and one built archive."""
    with FakeGitHub() as github:
        yield Job(checkout, repository, github, tmp_path_factory.mktemp("job"))
