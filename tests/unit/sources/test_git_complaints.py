"""What is repeated of what git says when it fails."""

from __future__ import annotations

import subprocess

import pytest

from fsm.sources.git import complaint, environment

REMOTE = """
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"git@example.org: Permission denied (publickey).{REMOTE}", "git@example.org: Permission denied (publickey)."),
        (f"ERROR: Repository not found.{REMOTE}", "ERROR: Repository not found."),
        (
            "fatal: detected dubious ownership in repository at '/srv/app.git'\nTo add an exception, call:\n\n"
            f"\tgit config --global --add safe.directory /srv/app.git{REMOTE}",
            "fatal: detected dubious ownership in repository at '/srv/app.git'",
        ),
        ("error: a\nfatal: b\nhint: c\n", "fatal: b"),
        ("fatal: unable to access 'https://me:secret@example.org/': no route\n", "me:secret"),
        (REMOTE, "it said nothing"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_is_repeated(text, said):
    """Not what stands below every failure; and no secret."""
    if "secret" in said:
        assert "secret" not in complaint(text)
    else:
        assert complaint(text) == said


@pytest.mark.processes
def test_a_server_that_nobody_reaches():
    """In the words of the git that is here, and of its ssh."""
    argv = ["git", "ls-remote", "ssh://nobody@127.0.0.1:1/app.git"]
    done = subprocess.run(argv, env=environment({}), capture_output=True, text=True, timeout=60, check=False)
    assert "ssh: " in complaint(done.stderr), done.stderr
