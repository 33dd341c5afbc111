"""One check of many components, against the fake GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fsm.updater import Updater
from tests.github.fake import FakeGitHub

pytestmark = pytest.mark.processes


@pytest.fixture
def github() -> Any:
    """GitHub with two repositories."""
    with FakeGitHub() as running:
        running.add_repository("o/r").add_release("v1.1.0")
        running.add_repository("o/other").add_release("v2.0.0")
        yield running


def updater(github: FakeGitHub, root: Path, repositories: dict[str, str]) -> Updater:
    """A host with these components, each at 1.0.0; one without repository takes its releases from a directory."""
    components: dict[str, Any] = {}
    (root / "depot" / "1.2.0").mkdir(parents=True, exist_ok=True)
    for name, repository in repositories.items():
        (root / name).mkdir(exist_ok=True)
        (root / name / "VERSION").write_text("1.0.0\n")
        source = {"type": "github", "allow_unsigned": True, "repository": repository, "api_url": github.api_url}
        components[name] = {
            "type": "python_app",
            "install_path": str(root / name),
            "service": {"manager": "none"},
            "source": source
            if repository
            else {"type": "directory", "allow_unsigned": True, "path": str(root / "depot")},
        }
    return Updater.from_data({"fsm": {"state_dir": str(root / "state")}, "components": components})


def test_each_question_is_asked_once(github: FakeGitHub, tmp_path: Path):
    """Components of one repository share it, one that fails stops no other, the order is the configuration's."""
    names = {"a": "o/r", "b": "o/other", "c": "o/none", "d": "", "e": "o/r", "f": "o/r"}
    host = updater(github, tmp_path, names)
    found = host.check_all()
    assert [(each.component, each.target) for each in found] == [
        ("a", "v1.1.0"),
        ("b", "v2.0.0"),
        ("c", None),
        ("d", "1.2.0"),
        ("e", "v1.1.0"),
        ("f", "v1.1.0"),
    ]
    assert "404" in (found[2].error or "")
    assert len(github.asked("/repos/o/r/releases")) == 1
    used = github.limits.used
    assert [each.from_cache for each in host.check_all()] == [True, True, False, True, True, True]
    assert host.check_all(force=True)[0].target == "v1.1.0"
    assert len(github.asked("/repos/o/r/releases")) == 2
    assert github.limits.used == used + 2, "only the repository that is not there is counted, each time"


def test_a_used_up_limit_leaves_the_known_answer(github: FakeGitHub, tmp_path: Path):
    """With a warning that says until when; a component that was never checked has an error that says so."""
    updater(github, tmp_path, {"a": "o/r"}).check_all()
    github.limits.remaining = 0
    known, new = updater(github, tmp_path, {"a": "o/r", "b": "o/other"}).check_all(force=True)
    assert known.target == "v1.1.0"
    assert "rate limit" in known.warnings[0]
    assert "is used up until" in (new.error or "")


def test_a_journal_that_cannot_be_used_is_the_result_of_each(github: FakeGitHub, tmp_path: Path):
    """Also of those whose source lies on this host."""
    host = updater(github, tmp_path, {"a": "o/r", "b": "", "c": ""})
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "journal.db").write_bytes(b"no database" * 100)
    found = host.check_all()
    assert [(each.component, each.reason) for each in found] == [(name, "the check failed") for name in "abc"]
    assert all("journal" in (each.error or "") for each in found)


def test_answers_of_this_host_are_kept_in_one_commit(
    github: FakeGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A thousand commits would take longer than everything else; the next check believes them all the same."""
    commits: list[str] = []
    monkeypatch.setattr("fsm.engine.journal.database.faults.point", commits.append)
    host = updater(github, tmp_path, dict.fromkeys("abcde", ""))
    assert [each.target for each in host.check_all()] == ["1.2.0"] * 5
    assert commits.count("journal.before_commit") == 2, "the schema, and the answers"
    assert [each.from_cache for each in host.check_all()] == [True] * 5
