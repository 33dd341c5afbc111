"""`fsm release check`: everything that is wrong, beside its line."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.cli.run import run
from fsm.release.check import SECRETS, check
from fsm.release.problems import ReleaseError, Spot, annotation
from tests.unit.release.conftest import PLAIN, Repository
from tests.unit.release.thief import with_thief

pytestmark = pytest.mark.processes

NEEDS = PLAIN + "    requirements: requirements.txt\n    wheels: wheels\n    migrations: [migrate.py]\n"


def wheel(name: str, version: str, place: Path) -> bytes:
    """The smallest wheel that uv takes."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {key: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=") for key, data in files.items()}
    record = "".join(f"{key},sha256={digests[key].decode()},{len(data)}\n" for key, data in files.items())
    path = place / "made.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(key, data)
    return path.read_bytes()


def problems(repository: Repository) -> list[str]:
    """What is wrong, each as `line: why`."""
    found = check(repository.options())
    assert all(isinstance(each, ReleaseError) and each.todo for each in found)
    return [f"{each.spot.line}: {each.why}" for each in found if isinstance(each, ReleaseError)]


def test_nothing_is_wrong_with_a_good_release(repository: Repository, tmp_path: Path):
    """Requirements are resolved offline, of the wheels in the archive alone; nothing is written."""
    repository.describe(NEEDS)
    files = {
        "requirements.txt": b"six>=1\n",
        "wheels__six-1.0-py3-none-any.whl": wheel("six", "1.0", tmp_path),
        "migrate.py": b"",
    }
    repository.archive("dist/web-1.2.0.tar.gz", **files)
    before = sorted(repository.root.rglob("*"))
    assert problems(repository) == []
    assert sorted(repository.root.rglob("*")) == before


def test_a_pull_request_needs_no_version(repository: Repository):
    """It has no tag, and nothing else may say one; what a file says counts, though."""
    assert check(repository.options(version=None)) == []
    repository.write("VERSION", b"latest")
    assert "'latest' is not a version" in str(check(repository.options(version=None))[0])


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "12: web-1.2.0.tar.gz has no migrate.py"),
        ({"migrate.py": b""}, "10: web-1.2.0.tar.gz has no requirements.txt"),
        ({"migrate.py": b"", "requirements.txt": b"six"}, "10: web-1.2.0.tar.gz has no directory wheels"),
        (
            {"migrate.py": b"", "requirements.txt": b"six", "wheels__README": b""},
            "10: requirements.txt cannot be resolved: ",
        ),
    ],
)
def test_what_is_missing_in_an_archive_is_found(files: dict[str, bytes], expected: str, repository: Repository):
    """At the key that asks for it."""
    repository.describe(NEEDS)
    repository.archive("dist/web-1.2.0.tar.gz", **{"VERSION": b"1.2.0", **files})
    (problem,) = problems(repository)
    assert problem.startswith(expected)


def test_a_hostile_archive_is_found(repository: Repository):
    """As a host would refuse it, whether it is unpacked or only read; others are still looked at."""
    repository.archive("dist/a.tar.gz", **{"..__evil": b"x"})
    repository.write("dist/b.tar.gz", b"no archive")
    first, second = problems(repository)
    assert "a.tar.gz" in first
    assert "b.tar.gz" in second


def test_requirements_without_an_archive_are_found(repository: Repository):
    """There is nothing to have them in."""
    repository.describe("components: [{name: a, type: t, migrations: [m.py], artifacts: [{path: NOTES.md}]}]")
    assert problems(repository) == ["1: has requirements or migrations, but no archive that contains them"]


def test_a_port_that_does_not_exist_is_found(repository: Repository):
    """The schema says what a URL looks like; a host could never ask this one. Without a port it is the usual one."""
    check_ = "      - {{type: health_endpoint, url: 'http://127.0.0.1{}/'}}\n"
    repository.describe(PLAIN + check_.format(":99999") + check_.format(":0") + check_.format(""))
    assert [problem.partition(":")[0] for problem in problems(repository)] == ["10", "11"]


def test_on_github_each_problem_is_shown_beside_its_line(
    repository: Repository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """On standard error, so that standard output stays what it is; elsewhere there are no annotations."""
    call = ["release", "check", "--description", str(repository.root), "--version", "1.2.0"]
    assert run(call) == 0
    assert capsys.readouterr() == ("no problems found\n", "")
    repository.describe(PLAIN.replace("dist/", "none/"))
    assert run(call) == 20
    assert "::error" not in "".join(capsys.readouterr())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert run(call) == 20
    out, err = capsys.readouterr()
    assert out.startswith(f"{repository.description}:5:15: 'none/*.tar.gz' matches no file")
    assert err.startswith(f"::error file={repository.description},line=5,col=15::")
    assert run([*call[:1], "build", *call[2:], "--output", str(repository.root / "out")]) == 20
    assert capsys.readouterr().err.startswith("::error file=")
    assert not (repository.root / "out").exists()


@given(st.text(), st.text())
def test_no_text_becomes_another_command(file: str, why: str):
    """One line, whatever is in it; what stands before the second pair of colons is only what we put there."""
    line = annotation(ReleaseError(Spot(file or "f", 3), why, ""))
    assert len(line.splitlines()) == 1
    head, _, message = line.removeprefix("::error ").partition("::")
    assert head.count(",") == 1
    assert head.endswith(",line=3")
    assert ":" not in head
    assert message


def test_other_errors_have_no_place(repository: Repository):
    """They are shown nevertheless."""
    from fsm.errors import UsageError

    assert annotation(UsageError("a%b\n::set-output name=x::y")) == "::error::a%25b%0A::set-output name=x::y"


def checked(repository: Repository, **more: str) -> subprocess.CompletedProcess[str]:
    """`fsm release check` in a process of its own, with more variables."""
    given = {name: value for name, value in os.environ.items() if name not in SECRETS}
    command = [sys.executable, "-m", "fsm", "release", "check", "--description", str(repository.root)]
    command += ["--version", "1.2.0"]
    environment = {**given, "UV_NO_CACHE": "1", "UV_OFFLINE": "1", **more}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.needs_linux
@pytest.mark.parametrize("name", sorted(SECRETS))
def test_what_resolves_requirements_sees_no_secret(repository: Repository, name: str):
    """What it builds could read them where they came from, so with secrets around nothing is built."""
    loot = with_thief(repository)
    done = checked(repository, **{name: "a secret"})
    assert not loot.exists()
    assert done.returncode == 20
    assert f"source packages are built only without ${name}" in done.stdout


@pytest.mark.needs_linux
def test_requirements_are_built_where_there_is_no_secret(repository: Repository):
    """As a host would; an empty variable is none."""
    loot = with_thief(repository)
    done = checked(repository, GITHUB_TOKEN="")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert loot.exists()
