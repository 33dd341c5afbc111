"""The session runner, and the sessions that the project's own pages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.github.fake import FakeGitHub
from tools import session

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    ROOT / "docs" / "how-to" / "recover.md",
    ROOT / "docs" / "how-to" / "update-a-git-checkout.md",
]


def _page(*lines: str) -> str:
    return "\n".join(["intro", "<!-- session -->", "```console", *lines, "```", ""])


def _problems(folder: Path, *lines: str, timeout: float = 30) -> list[str]:
    commands = session.commands(_page(*lines))
    return session.problems(commands, session.run(commands, folder, timeout=timeout))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_session_of_a_page_works_when_pasted(page: Path, tmp_path: Path):
    """A new user gets what the page shows."""
    text = page.read_text(encoding="utf-8")
    if page.name == "README.md":
        assert session.MARKER in text or text.count("\n") <= 30, "the README shows no session"
    commands = session.commands(text)
    with FakeGitHub() as github:
        github.add_repository("acme/shop", immutable_releases=True)
        env = {"API_URL": github.api_url, "TOKEN": github.token, "REPOSITORY": "acme/shop"}
        given = {f"GITHUB_{name}": value for name, value in env.items()} if "GITHUB_TOKEN" in text else {}
        found = session.problems(commands, session.run(commands, tmp_path, env=given))
    assert not found, "\n\n".join(found)


def test_commands_share_one_shell(tmp_path: Path):
    """Variables, directories and exit codes last from one command to the next."""
    lines = ("$ mkdir d; cd d; X=1", "$ echo $X; basename $PWD", "1", "d", "$ false  # exit 1", "$ echo $?", "1")
    assert not _problems(tmp_path, *lines)


def test_a_command_may_have_several_lines(tmp_path: Path):
    """`> ` continues a command, as a shell's prompt does."""
    assert not _problems(tmp_path, "$ cat <<EOF", "> one", "> EOF", "one")


def test_dots_stand_for_anything(tmp_path: Path):
    """Within a line for text, alone for lines; what is shown besides must be there, in order."""
    printed = "$ printf 'took 12 ms\\nb\\nc\\nd\\n'"
    assert not _problems(tmp_path, printed, "took ... ms", "...", "d")
    assert not _problems(tmp_path, printed, "...", "took 12 ms", "b", "c", "d")
    assert _problems(tmp_path, printed, "...", "e")
    assert _problems(tmp_path, printed, "took 12 ms", "b")


def test_a_wrong_output_is_shown_beside_the_right_one(tmp_path: Path):
    """Whoever mends the page sees both."""
    (problem,) = _problems(tmp_path, "$ echo new", "old")
    assert problem == "$ echo new\nprinted:\nnew\nthe page shows:\nold"


def test_a_command_that_fails_unannounced_is_a_problem(tmp_path: Path):
    """A failure that the page does not speak of would surprise its reader."""
    (problem,) = _problems(tmp_path, "$ (echo why >&2; exit 3)")
    assert "ended with 3, not 0" in problem
    assert "why" in problem
    assert not _problems(tmp_path, "$ (exit 3)  # exit 3")


def test_a_session_that_hangs_is_ended_and_named(tmp_path: Path):
    """The first command that did not end is reported, and the whole session is killed."""
    (problem,) = _problems(tmp_path, "$ echo first", "$ echo second; sleep 60", "$ echo third", timeout=0.5)
    assert problem.startswith("$ echo second; sleep 60\ndid not end; it printed:\nsecond")


def test_our_programs_come_first(tmp_path: Path):
    """`fsm` and `python` are those of this checkout, and HOME is the empty directory."""
    assert not _problems(tmp_path, "$ python -c 'import sys; print(sys.prefix)'", str(ROOT / ".venv"), "$ ls ~")


def test_only_what_is_marked_is_run():
    """A page without a marker has no session, and one may end before the page does."""
    assert session.commands("```console\n$ rm -rf /\n```\n") == []
    page = _page("$ true") + "<!-- end session -->\n```console\n$ false\n```\n"
    assert [command.text for command in session.commands(page)] == ["true"]


def test_output_without_a_command_is_an_error():
    """A block that begins with output is a mistake of the page."""
    with pytest.raises(ValueError, match="begins with output: 'hello'"):
        session.commands(_page("hello"))


def test_the_command_line_of_the_runner(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`python tools/session.py PAGE` is for whoever writes a page."""
    page = tmp_path / "page.md"
    page.write_text(_page("$ echo a", "a"))
    assert session.main([str(page)]) == 0
    page.write_text(_page("$ echo a", "b"))
    assert session.main([str(page)]) == 1
    assert "1 commands, 1 differ" in capsys.readouterr().out
