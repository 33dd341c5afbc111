"""The jobs of this project's workflows that use the action, run as GitHub would on a Linux of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from fsm.formats.trust import SecretKey
from fsm.formats.trust.minisign import verify
from fsm.version import __version__
from tests.action.conftest import check_out, furnish
from tests.action.runner import Runner, Uses
from tests.github.fake import FakeGitHub

pytestmark = [pytest.mark.timeout(400), pytest.mark.needs_linux]

WORKFLOWS = Path(".github") / "workflows"


Committed = Callable[[Path], Path]


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Committed:
    """Makes furnished checkouts with a commit, whose time is that of a release: copies of one that is made first."""
    first = check_out(tmp_path_factory.mktemp("committed") / "first")
    git = ["git", "-C", str(first), "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "gc.auto=0"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], check=True)

    def copied(target: Path) -> Path:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", f"{first}/.", target], check=True)
        return furnish(target)

    return copied


Others = Callable[[Path, Path], dict[str, Uses]]


@pytest.fixture
def actions_of_others(
    committed: Committed, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Others:
    """Stand-ins for GitHub's own actions in a workspace, with a place for what is uploaded."""
    return partial(_stand_ins, committed, monkeypatch, tmp_path_factory)


def _stand_ins(
    committed: Committed,
    monkeypatch: pytest.MonkeyPatch,
    folders: pytest.TempPathFactory,
    workspace: Path,
    stored: Path,
) -> dict[str, Uses]:

    def checkout(given: Mapping[str, str]) -> Mapping[str, str]:
        assert given["persist-credentials"] == "false"
        place = workspace / given.get("path", ".")
        if not (place / ".git").exists():
            committed(place)
        return {}

    def upload(given: Mapping[str, str]) -> Mapping[str, str]:
        found = sorted(workspace.glob(given["path"]))
        assert found, f"{given['path']} matches nothing"
        for path in found:
            shutil.copy2(path, stored)
        return {}

    def download(given: Mapping[str, str]) -> Mapping[str, str]:
        shutil.copytree(stored, workspace / given["path"], dirs_exist_ok=True)
        return {}

    def python(given: Mapping[str, str]) -> Mapping[str, str]:
        assert given["python-version"] == "3.11"
        place = folders.mktemp("setup-python")
        (place / "python").symlink_to(Path(sys.executable).resolve())
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        return {}

    return {
        "actions/checkout": checkout,
        "actions/download-artifact": download,
        "actions/setup-python": python,
        "actions/upload-artifact": upload,
    }


@pytest.mark.parametrize("name", ["publish", "refuse"])
def test_the_self_test_of_the_action(
    name: str, tmp_path: Path, temp: Path, actions_of_others: Others, committed: Committed
):
    """It publishes signed files and sums to the fake GitHub; what must be refused is, each for its own reason."""
    runner = Runner(tmp_path, {}, temp, uses=actions_of_others(tmp_path, temp))
    committed(tmp_path)  # the workflow itself
    done = runner.job(tmp_path / WORKFLOWS / "action-selftest.yml", name, matrix={"os": "ubuntu-24.04"})
    assert done.outcome == "success", done.log
    assert not done.refused
    if name == "publish":
        assert "| web-1.2.0.tar.gz |" in done.summary
        return
    outcomes = {step: each.outcome for step, each in done.steps.items() if step != "begin"}
    assert set(outcomes.values()) == {"failure"}
    said = "\n".join(each.message for each in done.annotations)
    for why in (
        "none.yaml",
        "'nothing/*.zip' matches no file",
        "--version says 1.3.0",
        "pwned",
        "key",
        "does not accept the token",
    ):
        assert why in said


def test_this_project_releases_itself(
    tmp_path: Path, temp: Path, monkeypatch: pytest.MonkeyPatch, actions_of_others: Others, committed: Committed
):
    """A job without rights builds and checks, another one signs and publishes the very bytes, for the tag's version."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    stored = temp / "stored"
    stored.mkdir()
    key, password = SecretKey.generate(), "open sesame"
    secrets = {"FSM_SIGNING_KEY": key.file(password), "FSM_KEY_PASSWORD": password}
    with FakeGitHub() as github:
        there = github.add_repository("o/fsm")
        context = {"repository": "o/fsm", "ref": f"refs/tags/v{__version__}", "api_url": github.api_url}
        for name, token in (("build", github.read_token), ("publish", github.token)):
            workspace = committed(tmp_path / name)
            uses = actions_of_others(workspace, stored)
            runner = Runner(workspace, {**context, "token": token}, temp, uses=uses)
            done = runner.job(workspace / WORKFLOWS / "release.yml", name, secrets=secrets if name == "publish" else {})
            assert done.outcome == "success", done.log
            assert password not in "\n".join(runner.log.raw)
        (release,) = there.releases()
        assets = {asset.name: asset.content for asset in release.assets.values()}
    (archive,) = stored.iterdir()
    assert (release.tag, release.draft) == (f"v{__version__}", False)
    assert assets[f"fsm_updater-{__version__}.tar.gz"] == archive.read_bytes()
    manifest = assets["update-manifest.yaml"]
    assert verify(manifest, assets["update-manifest.yaml.minisig"], [key.public_key])


def test_a_tag_that_is_not_the_version_releases_nothing(
    tmp_path: Path, temp: Path, actions_of_others: Others, committed: Committed
):
    """The archive of another version is there, that of the tag is not; the annotation is at the line of its pattern."""
    workspace = committed(tmp_path)
    runner = Runner(workspace, {"ref": "refs/tags/v99.0.0"}, temp, uses=actions_of_others(workspace, temp))
    done = runner.job(workspace / WORKFLOWS / "release.yml", "build")
    assert done.outcome == "failure"
    (first, *_) = done.annotations
    assert (first.kind, first.file, first.line) == ("error", "update.yaml", 7)
    assert "fsm_updater-99.0.0.tar.gz" in first.message
