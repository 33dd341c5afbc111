"""Tags of images become digests, by a real registry."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

from fsm.errors import Transient
from fsm.formats.manifest import parse
from fsm.release.build import build
from fsm.release.registry import HUB, Reference, digest_of
from tests.unit.release.conftest import Repository

DIGEST = "sha256:" + "0" * 64


def push(registry: str, repository: str, tag: str) -> str:
    """Push an image without layers; returns its digest."""
    config = b"{}"
    with urllib3.PoolManager() as http:
        return _push(http, registry, repository, tag, config)


def _push(http: urllib3.PoolManager, registry: str, repository: str, tag: str, config: bytes) -> str:
    place = http.request("POST", f"http://{registry}/v2/{repository}/blobs/uploads/").headers["Location"]
    named = f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert http.request("PUT", f"{place}&digest={named}", body=config).status == 201
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    described = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": named}
    data = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": described, "layers": []}).encode()
    url = f"http://{registry}/v2/{repository}/manifests/{tag}"
    answer = http.request("PUT", url, body=data, headers={"Content-Type": kind})
    assert answer.status == 201
    return answer.headers["Docker-Content-Digest"]


@pytest.mark.needs_linux
@pytest.mark.needs_docker
def test_a_manifest_names_the_digest_that_the_tag_has(repository: Repository):
    """In a step of its own, and in a step that names the image; a tag that is not there is refused at its line."""
    from tests.hosts.engine import registry

    image = f"{registry()}/fsm-release-test/api"
    digest = push(registry(), "fsm-release-test/api", "1.2.0")
    repository.describe(f"components:\n- {{name: a, type: container, images: ['{image}:{{version}}']}}")
    (step,) = parse(build(repository.options()).manifests["update-manifest.yaml"], "m").update_steps
    assert getattr(step, "image", "") == f"{image}:1.2.0@{digest}"
    repository.describe(
        f"components:\n- name: a\n  type: container\n  images: ['{image}:1.2.0', 'other.example/x:1@{DIGEST}']\n"
        f"  update_steps: [{{action: pull_image, image: '{image}:1.2.0', description: d}}]"
    )
    steps = parse(build(repository.options()).manifests["update-manifest.yaml"], "m").update_steps
    assert [getattr(each, "image", "") for each in steps] == [f"other.example/x:1@{DIGEST}", f"{image}:1.2.0@{digest}"]
    repository.describe(f"components:\n- {{name: a, type: container, images: ['{image}:9.9']}}")
    refused = repository.refusal()
    assert refused.spot.line == 2
    assert "answers 404" in refused.why


@pytest.mark.processes
def test_an_image_that_is_not_there_is_refused(repository: Repository):
    """As is one without a tag: nobody can say which it is."""
    with served(lambda request: (404, {}, b"")) as address:
        repository.describe(f"components:\n- {{name: a, type: container, images: ['{address}/api:1']}}")
        refused = repository.refusal()
    assert refused.spot.line == 2
    assert "answers 404" in str(refused)
    repository.describe("components:\n- {name: a, type: container, images: ['registry.example/api']}")
    assert "registry.example/api has no tag" in str(repository.refusal())


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx:1", (HUB, "library/nginx", "1")),
        ("team/app:1", (HUB, "team/app", "1")),
        ("docker.io/team/app:1", (HUB, "team/app", "1")),
        ("registry.example:5000/team/app:1", ("registry.example:5000", "team/app", "1")),
        ("localhost/app:1", ("localhost", "app", "1")),
    ],
)
def test_an_image_is_read_as_docker_reads_it(image: str, expected: tuple[str, str, str]):
    """The first part is a registry where it looks like a host."""
    found = Reference.parse(image)
    assert found == expected
    assert found.origin.startswith("http://" if found.registry == "localhost" else "https://")


@contextmanager
def served(answer) -> Iterator[str]:
    """A server on loopback; `answer` makes (status, headers, body) of a request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.processes
def test_a_registry_that_wants_a_token_gets_one(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """With what `docker login` has stored, sent to the place of tokens and nowhere else."""
    seen = []

    def answer(request):
        given = request.headers.get("Authorization")
        seen.append((request.path, given))
        here = f"http://{request.headers['Host']}"
        if request.path.startswith("/token"):
            return 200, {}, b'{"token": "t1"}'
        if given != "Bearer t1":
            return 401, {"WWW-Authenticate": f'Bearer realm="{here}/token",service="s"'}, b""
        return 200, {}, b"manifest"

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with served(answer) as address:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {address: {"auth": "dTpw"}}}))
        assert digest_of(f"{address}/team/app:1") == f"sha256:{hashlib.sha256(b'manifest').hexdigest()}"
    path = "/v2/team/app/manifests/1"
    asked = "/token?service=s&scope=repository%3Ateam%2Fapp%3Apull"
    assert seen == [(path, None), (asked, "Basic dTpw"), (path, "Bearer t1")]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        ('Bearer realm="http://elsewhere.example/token"', "it sends people to 'http://elsewhere.example/token'"),
        ("Basic", "answers 401"),
    ],
)
def test_credentials_go_nowhere_else(challenge: str, message: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Not in the clear to another host; and a refusal is an error."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with (
        served(lambda request: (401, {"WWW-Authenticate": challenge}, b"")) as address,
        pytest.raises(Transient) as caught,
    ):
        digest_of(f"{address}/app:1")
    assert message in str(caught.value)


@pytest.mark.processes
def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A manifest is small."""
    monkeypatch.setattr("fsm.release.registry.LIMIT", 10)
    with served(lambda request: (200, {}, b"x" * 11)) as address, pytest.raises(Transient, match="more than 10 bytes"):
        digest_of(f"{address}/app:1")


@pytest.mark.processes
def test_a_registry_that_redirects_is_not_followed():
    """Where a question may go is said by the image's name."""
    with (
        served(lambda request: (307, {"Location": "http://127.0.0.1:1/"}, b"")) as address,
        pytest.raises(Transient, match=f"{address} answers 307"),
    ):
        digest_of(f"{address}/app:1")


@pytest.mark.processes
def test_a_connection_that_was_cut_is_tried_again():
    """A registry behind a proxy that restarts is no reason to end a build; one that stays silent is."""
    seen = []

    def answer(request):
        seen.append(request.path)
        return 200, {"Content-Length": "8"}, b"manifest" if len(seen) == 3 else b"mani"

    with served(answer) as address:
        digest_of(f"{address}/app:1")
    assert len(seen) == 3
    with served(lambda request: (200, {"Content-Length": "8"}, b"mani")) as address, pytest.raises(Transient) as caught:
        digest_of(f"{address}/app:1")
    assert "the connection to 127.0.0.1 was cut" in str(caught.value)
