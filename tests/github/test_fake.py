"""The fake GitHub behaves as the real one does where this project depends on it, and says so when it is misused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import urllib3

from tests.github.fake import FakeGitHub
from tests.servers import Fault


def ask(method: str, url: str, token: str = "", **more: Any) -> urllib3.BaseHTTPResponse:
    """One request, without retries and redirects."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= more.pop("headers", {})
    return urllib3.request(method, url, headers=headers, retries=False, redirect=False, timeout=20, **more)


def releases(github: FakeGitHub, name: str = "o/r") -> str:
    """The URL of a repository's releases."""
    return f"{github.api_url}/repos/{name}/releases"


@pytest.mark.parametrize("ghes", [False, True])
def test_a_release_is_published_in_the_usual_steps(ghes: bool):
    """Draft, upload, publish, download by the asset API over the storage: each step as GitHub describes it."""
    with FakeGitHub(ghes=ghes) as github:
        github.add_repository("o/r", private=True, immutable_releases=True)
        made = ask("POST", releases(github), github.token, json={"tag_name": "v1", "draft": True}).json()
        assert ask("GET", releases(github), github.read_token).json() == []
        upload = made["upload_url"].partition("{")[0] + "?name=a%20b.bin"
        kind = {"Content-Type": "application/octet-stream"}
        asset = ask("POST", upload, github.token, body=b"abc", headers=kind).json()
        assert (asset["name"], asset["size"], asset["state"]) == ("a.b.bin", 3, "uploaded")
        again = ask("POST", upload, github.token, body=b"abc", headers=kind)
        assert (again.status, again.json()["errors"][0]["code"]) == (422, "already_exists")
        done = ask("PATCH", made["url"], github.token, json={"draft": False}).json()
        assert (done["draft"], done["immutable"]) == (False, True)
        assert ask("DELETE", asset["url"], github.token).status == 422
        to = ask("GET", asset["url"], github.token, headers={"Accept": "application/octet-stream"})
        assert (to.status, ask("GET", to.headers["Location"]).data) == (302, b"abc")
        assert ask("GET", asset["browser_download_url"]).status == 404


def test_who_may_see_and_do_what():
    """A private repository is not there without a token; a token that only reads cannot write; a wrong one is 401."""
    with FakeGitHub() as github:
        github.add_repository("o/r", private=True)
        assert ask("GET", releases(github)).status == 404
        assert ask("GET", releases(github), "wrong").status == 401
        assert ask("POST", releases(github), github.read_token, json={"tag_name": "v1"}).status == 403


def test_an_unchanged_list_is_free_and_the_limit_ends():
    """A 304 costs no rate limit; without any left every request is refused until the reset."""
    with FakeGitHub() as github:
        github.add_repository("o/r").add_release("v1")
        tag = ask("GET", releases(github)).headers["ETag"]
        github.limits.remaining = 1
        for _ in range(3):
            assert ask("GET", releases(github), headers={"If-None-Match": tag}).status == 304
        assert ask("GET", releases(github)).status == 200
        refused = ask("GET", releases(github))
        assert (refused.status, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
        github.limits.remaining, github.limits.secondary = 9, 1
        assert ask("GET", releases(github)).headers["Retry-After"] == "60"


def test_pages_have_links():
    """Long lists come in pages that name each other."""
    with FakeGitHub() as github:
        repository = github.add_repository("o/r")
        for number in range(5):
            repository.add_release(f"v{number}")
        first = ask("GET", f"{releases(github)}?per_page=2")
        assert [each["tag_name"] for each in first.json()] == ["v4", "v3"]
        assert 'page=2>; rel="next"' in first.headers["Link"]
        assert 'rel="next"' not in ask("GET", f"{releases(github)}?per_page=2&page=3").headers["Link"]


@pytest.mark.parametrize("fault", [Fault(status=502, methods=("POST",)), Fault(drop=True, methods=("POST",))])
def test_an_upload_that_breaks_off_leaves_half_an_asset(fault: Fault):
    """It keeps its name taken, in the state `starter`, without a digest."""
    with FakeGitHub() as github:
        release = github.add_repository("o/r").add_release("v1", draft=True)
        github.fault(f"/repos/o/r/releases/{release.id}/assets", fault)
        url = f"{github.places.uploads}/repos/o/r/releases/{release.id}/assets?name=a"
        try:
            ask("POST", url, github.token, body=b"abc", headers={"Content-Type": "application/octet-stream"})
        except urllib3.exceptions.ProtocolError:
            assert fault.drop
        (asset,) = ask("GET", f"{releases(github)}/{release.id}/assets", github.token).json()
        assert (asset["name"], asset["state"], asset["digest"]) == ("a", "starter", None)


def test_what_is_not_as_described_fails_the_test():
    """A request that GitHub does not know is found out, and so is a token at the storage."""
    github = FakeGitHub()
    github.add_repository("o/r")
    with pytest.raises(AssertionError, match="POST"), github:
        ask("POST", releases(github), github.token, json={"tag_name": "v1", "draft": "yes"})
    with pytest.raises(AssertionError, match="token was sent"), FakeGitHub() as github:
        ask("GET", f"{github.storage.url}/x", github.token)
    with FakeGitHub() as github:
        assert json.loads(ask("GET", releases(github, "no/body")).data)["message"] == "Not Found"
