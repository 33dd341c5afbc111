"""The component description: what is wrong with it is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.release.build import build
from fsm.release.description import read
from fsm.release.problems import ReleaseError
from tests.unit.release.conftest import PLAIN, Repository

TOML = """\
[project]
name = "web"

[tool.fsm]
[[tool.fsm.components]]
name = "web"
type = "python_app"
[[tool.fsm.components.artifacts]]
path = "dist/*.tar.gz"
[[tool.fsm.components]]
name = "api"
type = "container"
"""


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (PLAIN.replace("type: version", "tipe: version"), "8:9", "post_update_checks[0].type is missing"),
        (PLAIN.replace("notes", "nots"), "6:5", 'components[0].nots is not a known key; did you mean "notes"?'),
        (PLAIN.replace("web", "Web"), "2:11", "components[0].name must be a name of"),
        (PLAIN.replace("dist/*", "../*"), "5:15", "stays below its directory"),
        (PLAIN.replace("version_check", "command"), "8:9", "'command', which is not known"),
        (PLAIN + PLAIN.partition("\n")[2], "2:3", "two components are called 'web'"),
        ("components: []\n", "1:13", "components must have at least 1 item"),
        ("a: [", "1:5", "a value is missing"),
    ],
)
def test_an_error_names_file_line_and_key(text: str, place: str, message: str, repository: Repository):
    """One line, of three parts."""
    repository.describe(text)
    refused = repository.refusal()
    assert str(refused).startswith(f"{repository.description}:{place}: ")
    assert message in str(refused)
    assert refused.todo


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("path = ", "paht = ", 8),
        ('"api"', '"Api"', 11),
        ('type = "container"', "", 10),
        ('"container"', "what", 12),
        ("dist/*", "none/*", 9),
    ],
)
def test_toml_has_lines_as_well(old: str, new: str, line: int, repository: Repository):
    """Those of the key, or of the table around it."""
    repository.description.unlink()
    repository.write("pyproject.toml", TOML.replace(old, new).encode())
    refused = repository.refusal()
    assert refused.spot.line == line, str(refused)


@pytest.mark.processes
def test_toml_says_the_same(repository: Repository):
    """As the YAML does."""
    repository.description.unlink()
    repository.write("pyproject.toml", TOML.encode())
    assert list(build(repository.options()).manifests) == ["update-manifest-web.yaml", "update-manifest-api.yaml"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("pyproject.toml", b"[tool]\nfsm = 1 # tool.fsm", "has no table [tool.fsm]"),
        ("pyproject.toml", b"tool = 1 # tool.fsm", "is not TOML with a table [tool]"),
        ("pyproject.toml", b"# tool.fsm\na = " + b"[" * 20000, "is not valid TOML: it is nested too deep"),
        ("pyproject.toml", b"\xff tool.fsm", "is not TOML with a table [tool]"),
        ("pyproject.toml", b"[tool.other]", "has no component description"),
    ],
)
def test_no_description_is_an_error(name: str, data: bytes, message: str, tmp_path: Path):
    """It says what to write."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ReleaseError) as caught:
        read(tmp_path)
    assert message in str(caught.value)


def test_a_description_that_is_named_must_be_there(tmp_path: Path):
    """By its own name."""
    with pytest.raises(ReleaseError, match="cannot be read: No such file"):
        read(tmp_path / "other.yaml")
