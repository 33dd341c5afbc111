"""What is asked of a remote, and what is never told to anybody: real HTTP, real passwords."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.errors import ConfigError, SourceError, Transient
from fsm.host.admission import UNSIGNED
from fsm.sources import GitSpec, open_source
from fsm.sources.remotes import masked, remote_host, why_no_remote
from tests.git_fixture import GitFixture, git
from tests.githttp import serving

TOKEN = "s3cr3t-t0ken-nobody-may-read"


def source(url: str, **given: object) -> dict[str, object]:
    """A source that follows main."""
    return {"type": "git", "allow_unsigned": True, "url": url, "branch": "main", **given}


def everything(app_fixture: GitFixture) -> bytes:
    """All that the updater has written: journal, logs, work directory, and git's own configuration."""
    places = (app_fixture.state, app_fixture.work, app_fixture.live / ".git")
    return b"".join(path.read_bytes() for place in places for path in place.rglob("*") if path.is_file())


def test_credentials_appear_nowhere(made, monkeypatch):
    """Not in the journal, the logs, ``.git/config`` or a message, also when the server refuses them."""
    app_fixture = made()
    with serving(app_fixture.root, TOKEN) as server:
        url = f"{server.url}/releases"
        monkeypatch.setenv("DEPLOY_TOKEN", TOKEN)
        monkeypatch.setenv("GIT_TRACE_CURL", "1")
        monkeypatch.setenv("GIT_CURL_VERBOSE", "1")
        monkeypatch.setenv("GIT_TRACE", "1")
        app_fixture = GitFixture(app_fixture.root, source=source(url, token_env="DEPLOY_TOKEN"))
        result = app_fixture.updater().update("app")
        assert result.outcome is Outcome.DONE, result.headline
        basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        assert f"Basic {basic}" in server.seen
        said = everything(app_fixture) + result.model_dump_json().encode()
        app_fixture.publish("1.2.0")
        monkeypatch.setenv("DEPLOY_TOKEN", TOKEN + "-expired")
        failed = app_fixture.updater().check_all(force=True)[0]
        assert failed.error is not None
        said += everything(app_fixture) + failed.model_dump_json().encode()
        for secret in (TOKEN.encode(), basic.encode(), base64.b64encode(TOKEN.encode())):
            assert secret not in said


@pytest.mark.parametrize("welcome", [0, 1])
def test_credentials_that_a_server_quotes_appear_nowhere(made, monkeypatch, welcome):
    """Git repeats what a server, or a proxy before it, says of a check or a download that it refuses."""
    app_fixture = made()
    with serving(app_fixture.root, TOKEN) as server:
        monkeypatch.setenv("DEPLOY_TOKEN", TOKEN)
        given = source(f"{server.url}/releases", token_env="DEPLOY_TOKEN")
        # One refusal shows it: the download need not be tried again for a minute.
        app_fixture = GitFixture(app_fixture.root, source=given, fsm={"deadlines": {"updating": 2.0}})
        server.welcome = welcome
        result = app_fixture.updater().update("app") if welcome else app_fixture.updater().check_all(force=True)[0]
    said = everything(app_fixture) + result.model_dump_json().encode()
    assert welcome == 0 or b"you sent x-access-token:*** as Basic ***" in said
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode())
    assert [secret for secret in (TOKEN.encode(), basic) if secret in said] == []


def test_a_token_in_a_file_is_read_for_each_call(made, tmp_path):
    """A token that was renewed counts at once."""
    app_fixture = made()
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with serving(app_fixture.root, TOKEN) as server:
        app_fixture = GitFixture(app_fixture.root, source=source(f"{server.url}/releases", token_file=str(token)))
        assert app_fixture.updater().update("app").outcome is Outcome.DONE
    assert app_fixture.is_clean("1.1.0")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://user:secret@example.org/x.git", "would end up in logs"),
        ("https://token@example.org/x.git", "would end up in logs"),
        ("ssh://user:secret@example.org/x.git", "would end up in logs"),
        ("ext::sh -c id", "characters that are not allowed"),
        ("ext::sh", "neither a URL"),
        ("--upload-pack=id", "neither a URL"),
        ("relative/path", "neither a URL"),
        ("ftp://example.org/x.git", "none of"),
        ("https://example.org", "no path"),
        ("https://example.org/x\n.git", "characters that are not allowed"),
        ("https://example.org/x.git", None),
        ("ssh://git@example.org:22/x.git", None),
        ("git@example.org:owner/x.git", None),
        ("file:///srv/x.git", None),
        ("/srv/x.git", None),
    ],
)
def test_what_a_remote_may_be(url, why):
    """No password, no program, no option."""
    found = why_no_remote(url)
    assert (found is None) == (why is None)
    assert found is None or (why or "") in found


def test_hosts_and_masks():
    """How remotes are shown, and whose they are."""
    assert remote_host("git@Example.org:x") == remote_host("https://example.org:8443/x") == "example.org"
    assert remote_host("/srv/x") == remote_host("file:///srv/x") == ""
    assert (
        masked("fatal: 'https://user:pw@host/x' and ssh://git@host/y")
        == "fatal: 'https://***@host/x' and ssh://***@host/y"
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "exactly one of branch and tags"),
        ({"branch": "main", "tags": "v*"}, "exactly one of branch and tags"),
        ({"branch": "a..b"}, "not a branch name"),
        ({"tags": "v1"}, "exactly one \\*"),
        ({"branch": "main", "token_env": "A", "token_file": "/b"}, "exclude each other"),
        ({"branch": "main", "url": "http://example.org/x", "token_env": "A"}, "plain http"),
        ({"branch": "main", "url": "/srv/x", "token_env": "A"}, "only with https"),
        ({"branch": "main", "url": "https://a:b@example.org/x"}, "end up in logs"),
    ],
)
def test_a_configuration_that_cannot_work(made, given, why):
    """Refused before anything is asked."""
    app_fixture = made(
        publish=False,
        install=False,
        source={"type": "git", "allow_unsigned": True, "url": "https://example.org/x.git", **given},
    )
    with pytest.raises(ConfigError, match=why):
        app_fixture.updater()


def ask(url: str, **given: object) -> object:
    """The listing of a source."""
    keys = {"branch": "main", **given}
    return open_source(
        GitSpec.model_validate({"type": "git", "allow_unsigned": True, "url": url, **keys}), component="app"
    ).releases()


def test_what_a_remote_can_answer(made, tmp_path: Path):
    """No such directory, no such branch, no repository, nobody there."""
    app_fixture = made(publish=False, install=False)
    with pytest.raises(SourceError, match="no such directory"):
        ask(f"{tmp_path}/nowhere")
    with pytest.raises(SourceError, match="no such branch"):
        ask(str(app_fixture.releases), branch="absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Transient, match="git said"):
        ask(str(tmp_path / "empty"))
    with pytest.raises(Transient, match=r"127\.0\.0\.1"):
        ask("http://127.0.0.1:9/x.git", timeout=10.0)


def test_many_tags_are_all_seen(made):
    """More than the end of an output that a shell hands on."""
    app_fixture = made(
        publish=False,
        source={"type": "git", "allow_unsigned": True, "url": "{root}/releases", "tags": "a-rather-long-name/v*"},
    )
    head = app_fixture.released("1.0.0")
    lines = "".join(f"create refs/tags/a-rather-long-name/v{n}.0 {head}\n" for n in range(2000))
    subprocess.run(["git", "-C", str(app_fixture.releases), "update-ref", "--stdin"], input=lines.encode(), check=True)
    check = app_fixture.updater().check("app")
    assert check.target == "1999.0"
    assert check.warnings == (UNSIGNED,)


def test_a_fetch_that_hangs_is_ended_before_anything_is_stopped(made, monkeypatch):
    """The deadline is the configured one; the service does not notice."""
    app_fixture = made()
    plan = app_fixture.updater().plan("app")
    assert [step.timeout for step in plan.steps if step.name == "download"] == [60.0]
    pids = [who.pid for who in app_fixture.processes()]
    hanging = app_fixture.root / "hanging"
    hanging.mkdir()
    wrapper = hanging / "git"
    wrapper.write_text('#!/bin/sh\ncase "$*" in *" fetch "*) exec sleep 600;; esac\nexec /usr/bin/git "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hanging}:{os.environ['PATH']}")
    app_fixture = GitFixture(app_fixture.root, fetch_timeout=5.0)
    result = app_fixture.updater().update("app")
    assert result.outcome is Outcome.REFUSED
    assert not result.touched
    assert re.search("cannot (finish .*git|fetch the new commit)", result.reason)
    assert [who.pid for who in app_fixture.processes()] == pids
    monkeypatch.undo()
    assert app_fixture.refs() == []
    assert git(app_fixture.live, "fsck", "--no-dangling", "--no-progress") == ""
