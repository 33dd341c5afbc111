"""The steps of action.yml, as GitHub's runner runs them, against the fake GitHub."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fsm.cli.run import run
from fsm.formats.trust import KEYRING, Key, Keyring, SecretKey
from fsm.formats.trust.minisign import verify
from fsm.formats.trust.signing import sign_keyring
from fsm.release.check import SECRETS
from tests.action.commands import Log
from tests.action.conftest import Job, of_the_action
from tests.unit.release.thief import with_thief
from tools import release_action

ROOT = Path(__file__).parents[2]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text())
CI = SecretKey.generate()

pytestmark = pytest.mark.timeout(300)


def test_no_input_is_part_of_the_script():
    """Inputs reach the script by its environment only; each is used, and described."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
    used = {found for step in ACTION["runs"]["steps"] for text in step["env"].values() for found in _inputs(text)}
    assert used == set(ACTION["inputs"])
    assert all(each["description"] for each in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))


def _inputs(text: str) -> list[str]:
    return re.findall(r"inputs\.([\w-]+)", text)


def test_it_publishes_and_says_what(job: Job, monkeypatch: pytest.MonkeyPatch):
    """Signed: the release is there, its files are outputs, the summary has a table; a check publishes nothing."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    root = SecretKey.generate()
    ring = Keyring(version=1, keys=(Key(name="ci", key=str(CI.public_key)),))
    for name, data in zip((KEYRING, f"{KEYRING}.minisig"), sign_keyring(ring, [root]), strict=True):
        job.where.write(name, data)
    assert job.act(tag="v1.2.0", check_only="true").code == 0
    assert not list(job.there.releases())
    secret = {"signing_key": CI.file("open sesame"), "key_password": "open sesame"}
    done = job.act(*secret.values(), tag="v1.2.0", output="out", checksums="sha512\n", **secret)
    assert done.code == 0, done.log
    (release,) = job.there.releases()
    assert (release.tag, release.draft) == ("v1.2.0", False)
    there = {asset.name: asset.content for asset in release.assets.values()}
    [found] = verify(there["update-manifest.yaml"], there["update-manifest.yaml.minisig"], [CI.public_key])
    assert found.comment == "fsm-manifest:1 repository=o/r component=web version=1.2.0 sequence=1700000000"
    assert {KEYRING, f"{KEYRING}.minisig", "SHA512SUMS"} <= set(there)
    assert done.outputs["release-url"].endswith("/v1.2.0")
    assert done.outputs["signed-by"] == CI.public_key.name
    assert json.loads(done.outputs["manifests"]) == {"web": "out/update-manifest.yaml"}
    assert (done.outputs["manifest"], done.outputs["sums"]) == ("out/update-manifest.yaml", "out/SHA256SUMS")
    assert set(json.loads(done.outputs["digests"])) == set(there)
    row = rf"^\| web-1\.2\.0\.tar\.gz \| \d+ \| `sha256:\w+` \| {CI.public_key.name} \|$"
    assert re.search(row, done.summary, re.MULTILINE)
    assert "| SHA256SUMS |" in done.summary
    assert job.github.token not in done.log


def test_nothing_is_imported_from_the_workspace(job: Job):
    """A build leaves there what it likes; a `click.py` among it has read the key and the token."""
    job.where.write("click.py", b"import os; os.open('planted', os.O_CREAT)\nraise SystemExit('planted')")
    job.where.write("json.py", b"raise SystemExit('planted')")
    done = job.act(tag="v1.2.0")
    assert done.code == 0, done.log
    assert not (job.where.root / "planted").exists()
    assert not any("signing" in name.lower() or "TOKEN" in name for name in ACTION["runs"]["steps"][0]["env"])


@pytest.mark.needs_linux
def test_the_first_run_makes_its_environment(job: Job, tmp_path: Path):
    """Of the pinned requirements, beside the action; the second run finds it."""
    job.checkout = of_the_action(tmp_path / "action")
    done = job.act(check_only="true")
    assert done.code == 0, done.log
    assert "bootstrap: .venv from requirements/runtime.txt" in done.log
    assert (job.checkout / ".venv" / ".runtime").is_file()
    done = job.act(check_only="true")
    assert done.code == 0, done.log
    assert "bootstrap:" not in done.log


def test_more_files_and_images(job: Job):
    """For a description with one component."""
    job.where.write("dist/more.bin", b"more")
    done = job.act(tag="v1.2.0", artifacts="dist/*.bin\n\n")
    assert done.code == 0, done.log
    assert "more.bin" in json.loads(done.outputs["digests"])
    assert done.outputs["signed-by"] == ""
    assert "not signed" in done.summary
    done = job.act(tag="v1.3.0", artifacts="none/*")
    assert done.code == 20
    assert any("none/*" in each.message for each in done.annotations)


def test_errors_are_annotations(job: Job):
    """With file and line."""
    job.where.describe("components:\n  - name: web\n    type: x\n    tipe: x\n")
    done = job.act(check_only="true")
    assert done.code != 0
    first, last = done.annotations
    assert (first.kind, first.file, first.line) == ("error", "update.yaml", 4)
    assert last.message.startswith("Process completed")


HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "';touch pwned;'",
    '"; touch pwned; "',
    "1\n::set-output name=a::b",
    "--draft",
    "%0A::error::x",
)
INPUTS = ("version", "tag", "description", "artifacts", "keyring", "checksums", "draft", "repository")


MEETINGS = [(name, (3 * n + more) % len(HOSTILE)) for n, name in enumerate(INPUTS) for more in range(2)]
"""Each input with two of the values, each value in two inputs or more: what is between a workflow and Python."""


def test_every_value_meets_the_shell():
    """None is left out of the sample."""
    assert {number for _, number in MEETINGS} == set(range(len(HOSTILE)))


@pytest.mark.parametrize(("name", "number"), MEETINGS)
def test_hostile_inputs_stay_inert(job: Job, name: str, number: int):
    """A value that is a command, of the shell or of the runner, is refused and does nothing."""
    done = job.act(**{"tag": "v1.2.0", name: HOSTILE[number]})
    assert done.code != 0, done.log
    assert not list(job.there.releases())
    assert not (job.where.root / "pwned").exists()
    assert not any(done.outputs.values())
    assert not done.refused
    assert not done.summary
    assert [each.kind for each in done.annotations] in (["error"], ["error", "error"])


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_every_hostile_value_of_every_input_is_refused(
    job: Job, name: str, hostile: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """By the command line that the action's program makes, with all that it says; `draft` is none of its words."""
    given = {"tag": "v1.2.0", "repository": "o/r", "api_url": job.github.api_url, name: hostile}
    for variable, value in given.items():
        monkeypatch.setenv(f"FSM_{variable.upper()}", value)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_TOKEN", job.github.token)
    monkeypatch.chdir(job.where.root)
    if name == "draft":
        with pytest.raises(SystemExit, match="the input draft is neither true nor false"):
            release_action._command(check=False)
        return
    interpreter, command = (release_action._command(check=False)[part] for part in (slice(4), slice(4, None)))
    assert interpreter == [sys.executable, "-I", "-m", "fsm"]
    assert run(command) != 0
    log = Log()
    log.feed("".join(capfd.readouterr()))
    assert not list(job.there.releases())
    assert not (job.where.root / "pwned").exists()
    assert not log.refused
    assert [each.kind for each in log.annotations] in ([], ["error"])


@pytest.mark.parametrize(
    ("key", "password"),
    [("half of\na key", ""), (CI.file()[:-20], ""), (CI.file(), "needless"), ("comment\n" + "A" * 212, "p4ss")],
    ids=range(4),
)
def test_a_malformed_secret_is_not_shown(job: Job, key: str, password: str):
    """GitHub masks a secret as it was set; what is left of a broken one must not appear either."""
    done = job.act(tag="v1.2.0", signing_key=key, key_password=password)
    assert done.code != 0
    for line in filter(None, (*key.splitlines()[1:], password)):
        assert line not in done.log


def test_a_malformed_token_is_not_shown(job: Job):
    """Nor is it sent anywhere."""
    done = job.act(tag="v1.2.0", token="ghp_broken\nsecond line")
    assert done.code == 2
    assert "ghp_broken" not in done.log
    assert "second line" not in done.log
    assert not job.github.requests


@pytest.mark.needs_linux
def test_a_check_is_given_no_secret(job: Job, monkeypatch: pytest.MonkeyPatch):
    """What it resolves may be built, and that code can read what any process of the step was started with."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    loot = with_thief(job.where)
    done = job.act(check_only="true", version="1.2.0", signing_key=CI.file("p4ss"), key_password="p4ss")
    assert done.code == 0, done.log
    read = loot.read_bytes()
    assert b"FSM_CHECK_ONLY=true" in read
    for secret in (CI.file("p4ss").splitlines()[1][:20], "p4ss", job.github.token):
        assert secret.encode() not in read
