"""Finding programs, and saying why one is not found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsm.errors import CommandFailed
from fsm.system.shell import find_program


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """Write an executable file."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_bare_name_is_searched(tmp_path: Path):
    """A name without a slash comes from PATH, as an absolute path."""
    program = executable(tmp_path / "tool")
    assert find_program(["tool"], search=f"/nowhere:{tmp_path}") == str(program)
    assert os.path.isabs(find_program(["sh"]))


def test_a_relative_path_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`bin/tool` is looked for in cwd, and links stay links: a virtual environment's python is one."""
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "real")
    (tmp_path / "bin" / "tool").symlink_to("../real")
    assert find_program(["bin/tool"], cwd=tmp_path) == str(tmp_path / "bin/tool")
    monkeypatch.chdir(tmp_path)
    assert find_program(["./real"]) == str(tmp_path / "real")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ([], "it names no program"),
        ([""], "it names no program"),
        (["no-such-tool"], "it is not in any directory of PATH"),
        (["./missing"], "does not exist"),
        (["./plain"], "is not executable"),
        (["./folder"], "is not executable"),
        (["./script"], "begins with #!/no/interpreter, which does not exist"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, argv: list[str], why: str):
    """Each way in which a program can be missing has its reason and its remedy."""
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder").mkdir()
    executable(tmp_path / "script", "#!/no/interpreter -x\n")
    with pytest.raises(CommandFailed, match=why) as caught:
        find_program(argv, cwd=tmp_path)
    assert caught.value.todo


def test_a_missing_working_directory_is_said(tmp_path: Path):
    """A cwd that is not there is not blamed on the program."""
    with pytest.raises(CommandFailed, match=r"working directory .* does not exist"):
        find_program(["sh"], cwd=tmp_path / "gone")


def test_an_unreadable_program_is_left_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A program that may be executed but not read is found."""
    program = executable(tmp_path / "tool")

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    assert find_program([str(program)]) == str(program)
