"""What is a secret in plans, reports and texts, and what only looks a little like one."""

from __future__ import annotations

from typing import Any

import pytest

from fsm.system.masking import masked, masked_text, secrets_in


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"env": {"PGPASSWORD": "x", "HOME": "/root"}}, {"env": {"PGPASSWORD": "***", "HOME": "***"}}),
        ({"headers": {"X-Any": "abc"}}, {"headers": {"X-Any": "***"}}),
        (
            {"password": "x", "api_key": "y", "db.password": "z"},
            {"password": "***", "api_key": "***", "db.password": "***"},
        ),
        ({"token_env": "SHOP_TOKEN", "token_file": "/etc/t"}, {"token_env": "SHOP_TOKEN", "token_file": "/etc/t"}),
        ({"password": "", "token": None}, {"password": "", "token": None}),
        (["migrate", "--password", "x", "-v"], ["migrate", "--password", "***", "-v"]),
        (["migrate", "--db-token=x", "PASSWORD=y"], ["migrate", "--db-token=***", "PASSWORD=***"]),
        (["--url", "postgres://me:pw@db/x"], ["--url", "postgres://me:***@db/x"]),
        (
            {"steps": [{"args": {"service": {"env": {"A": "b"}}}}]},
            {"steps": [{"args": {"service": {"env": {"A": "***"}}}}]},
        ),
        ({"key": "RWabc", "monkey": "x", "compass": "n", 1: 2}, {"key": "RWabc", "monkey": "x", "compass": "n", 1: 2}),
    ],
)
def test_what_is_replaced(value: Any, shown: Any):
    """And nothing else."""
    assert masked(value) == shown


@pytest.mark.parametrize(
    "text",
    ["https://host:8080/a@b", "see https://example.org/?page=2", "a token = something", "git@host:x/y", "the password"],
)
def test_what_is_no_secret_stays(text: str):
    """Ports, pages and words."""
    assert masked_text(text) == text


def test_secrets_are_found_for_the_redactor():
    """Values of an environment count if their names say so; what is short would be found in words."""
    found = secrets_in(
        {
            "env": {"DB_PASSWORD": "hunter22", "MODE": "production", "TOKEN": "abc"},
            "headers": {"Authorization": "Bearer abcdef"},
            "command": ["run", "--api-key", "k-123456", "--secret=s-123456", "ftp://a:pw-123456@h/"],
        }
    )
    assert found == {"hunter22", "Bearer abcdef", "k-123456", "s-123456", "pw-123456"}
