"""Files are hashed while the description is still being looked at; what is wrong with it is said all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fsm.cli.run import run
from fsm.release.early import begin
from fsm.release.hashing import Hasher
from fsm.system.digest import Hashed
from tests.unit.release.conftest import PLAIN, Repository

TOML = '[[tool.fsm.components]]\nname = "a"\ntype = "t"\nartifacts = [{ path = "dist/*.gz" }]\n'


class Watched(Hasher):
    """Remembers what was begun early."""

    early: tuple[str, ...] = ()

    def start(self, paths) -> None:
        """See `Hasher`."""
        wanted = tuple(paths)
        self.early += tuple(path.name for path in wanted)
        super().start(wanted)


def begun(description: Path) -> tuple[str, ...]:
    """The names of the files that are hashed early."""
    with Watched() as hasher:
        begin(description, hasher)
        return hasher.early


def test_what_a_description_names_is_begun(repository: Repository):
    """Found in a directory or named, as YAML and as TOML."""
    assert begun(repository.root) == begun(repository.description) == ("web-1.2.0.tar.gz",)
    repository.description.unlink()
    repository.write("pyproject.toml", TOML.encode())
    assert begun(repository.root) == ("web-1.2.0.tar.gz",)


@pytest.mark.parametrize("path", ["dist/*", '"dist/*"', "'dist/*'", "dist/*  # all"])
@pytest.mark.parametrize(
    "form", ["[{name: a, artifacts: [{path: %s\n}]}]", "\n- name: a\n  artifacts:\n  - path: %s\n"]
)
def test_a_path_is_found_in_every_form(path: str, form: str, repository: Repository):
    """Without a reader of YAML, which takes longer to load than many a file to read."""
    repository.describe(f"components: {form % path}")
    assert begun(repository.root) == ("web-1.2.0.tar.gz",)


@pytest.mark.processes
def test_files_are_begun_before_pydantic_is_loaded(repository: Repository):
    """That is what beginning early is for: an import too many takes it all away."""
    script = (
        "import sys\nfrom fsm.release import hashing\nstart = hashing.Hasher.start\n"
        "def begun(self, paths):\n    print(bool({'pydantic', 'ruamel.yaml'} & {*sys.modules}))\n"
        "    start(self, paths)\nhashing.Hasher.start = begun\nfrom fsm.cli import main\nsys.exit(main())\n"
    )
    call = ["release", "build", "--description", str(repository.root), "--version", "1.2.0", "--output", "unused"]
    done = subprocess.run(
        [sys.executable, "-c", script, *call],
        cwd=repository.root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[0] == "False"


@pytest.mark.parametrize(
    "text",
    [
        "components: [",
        "components: 3\n",
        "components: [3, {artifacts: 3}, {artifacts: [3, {path: 3}]}]\n",
        PLAIN.replace("dist/*", "../*"),
        PLAIN.replace("dist/*", "/etc/*"),
        PLAIN.replace("dist/*", "dist/*{version}*"),
    ],
)
def test_what_cannot_be_told_yet_is_not_begun(text: str, repository: Repository):
    """Nor is anything outside of the repository; and it is no error here."""
    repository.describe(text)
    assert begun(repository.root) == ()
    assert begun(repository.root / "none.yaml") == ()


def test_a_toml_file_of_another_form_is_not_begun(repository: Repository):
    """`tool` may be anything in somebody's file."""
    repository.description.unlink()
    repository.write("pyproject.toml", b"tool = 3")
    assert begun(repository.root) == ()


def test_an_early_file_that_cannot_be_hashed_is_refused_when_it_is_wanted(
    repository: Repository, capsys: pytest.CaptureFixture[str]
):
    """With the line of its pattern, as if nothing had begun early."""
    (repository.root / "dist/b.tar.gz").symlink_to("gone")
    call = ["release", "build", "--description", str(repository.root), "--version", "1", "--output", "unused"]
    assert run(call) == 20
    assert "update.yaml:5:15" in capsys.readouterr().err


def test_files_that_were_not_begun_are_hashed_when_they_are_wanted(repository: Repository):
    """Each once."""
    path = repository.write("a", b"a")
    with Hasher() as hasher:
        assert hasher.of([path, path]) == hasher.of([path])
        assert isinstance(hasher.of([path])[path], Hashed)
