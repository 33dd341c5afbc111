"""The last line of action.yml's script, run with the environment that its step declares, against the fake GitHub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.github.fake import FakeGitHub
from tests.unit.release.conftest import Repository, repository  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text())
(STEP,) = ACTION["runs"]["steps"]


def act(where: Repository, github: FakeGitHub, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step's program with its inputs in the environment, in the repository."""
    given = {name: str(each["default"]) for name, each in ACTION["inputs"].items()}
    given |= {"token": github.token, "api-url": github.api_url} | inputs
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for name, text in STEP["env"].items():
        environment[name] = re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)
    environment |= {"GITHUB_REPOSITORY": "o/r", "GITHUB_ACTIONS": "true"}
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        environment[name] = str(where.root / name)
    command = [sys.executable, str(ROOT / "tools" / "release_action.py")]
    return subprocess.run(
        command, env=environment, cwd=where.root, capture_output=True, text=True, check=False, timeout=120
    )


def test_no_input_is_part_of_the_script():
    """Inputs reach the script by its environment only."""
    assert "${{" not in STEP["run"]
    assert STEP["shell"] == "bash"


def test_it_publishes_and_says_what(repository: Repository):  # noqa: F811 - the fixture
    """The release is there, its address and digests are outputs, the summary has a table; a check publishes nothing."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        assert act(repository, github, tag="v1.2.0", **{"check-only": "true"}).returncode == 0
        assert not list(kept.releases())
        done = act(repository, github, tag="v1.2.0", output="out")
        assert done.returncode == 0, done.stderr
        (release,) = kept.releases()
        assert (release.tag, release.draft) == ("v1.2.0", False)
        assert "web-1.2.0.tar.gz" in (repository.root / "GITHUB_OUTPUT").read_text()
        assert "| web-1.2.0.tar.gz |" in (repository.root / "GITHUB_STEP_SUMMARY").read_text()
        assert github.token not in done.stdout + done.stderr


@pytest.mark.parametrize("hostile", ["$(touch pwned)", "`touch pwned`", "';touch pwned;'", "1\n::set-output name=a::b"])
def test_hostile_inputs_stay_inert(hostile: str, repository: Repository):  # noqa: F811 - the fixture
    """A version that is a command, of the shell or of the runner, is refused and does nothing."""
    with FakeGitHub() as github:
        kept = github.add_repository("o/r")
        done = act(repository, github, version=hostile, tag="v1.2.0")
        assert done.returncode != 0
        assert not list(kept.releases())
    assert not (repository.root / "pwned").exists()
    assert not re.search(r"^::(?!error)", done.stdout + done.stderr, re.MULTILINE)
