"""What is refused before anything is touched, and how it is said."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm.engine.report import Outcome
from fsm.errors import PlanError, Transient, Unsupported
from fsm.services.docker import compose
from fsm.services.docker.client import Docker
from fsm_container.spec import ContainerSpec
from fsm_container.stack import Stack
from tests.compose import ComposeFixture
from tests.hosts.engine import registry

docker = pytest.mark.needs_docker

ALONE = "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n    stop_grace_period: 1s\n"


def program(folder: Path, name: str, script: str) -> None:
    """A program of that name, in a directory for PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that alone is searched for programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No compose plugin lies where packages put them."""
    monkeypatch.setattr("fsm.services.docker.compose.PLACES", ())
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))


@pytest.mark.needs_linux
def test_no_docker_at_all(path, monkeypatch):
    """Neither the engine nor the program is there."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}/nothing.sock")
    with pytest.raises(Unsupported, match="cannot run docker: it is not in any directory of PATH"):
        Docker().engine()


@pytest.mark.needs_linux
def test_an_engine_that_does_not_answer(path, monkeypatch):
    """Worth another try: it may be starting."""
    program(path, "docker", "exit 1")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}/nothing.sock")
    with pytest.raises(Transient, match=r"nothing\.sock: No such file or directory; start it"):
        Docker().engine()
    with pytest.raises(Transient, match="cannot reach the Docker engine"):
        Docker().containers("shop")


@pytest.mark.needs_linux
def test_an_engine_that_hangs(tmp_path, monkeypatch):
    """Whatever it is asked, it may answer later: a run waits, and does not go back, or give up going back."""
    monkeypatch.setattr("fsm.services.docker.client.ANSWER", 0.2)
    docker = Docker(host=f"unix://{tmp_path}/engine.sock")
    questions: list[Callable[[], object]] = [
        docker.engine,
        lambda: docker.containers("shop"),
        lambda: docker.names_of("shop"),
        lambda: docker.image("web:1"),
        lambda: docker.names("web"),
        lambda: docker.used("sha256:0"),
    ]
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(f"{tmp_path}/engine.sock")
        deaf.listen()
        for question in questions:
            with pytest.raises(Transient, match="did not answer within"):
                question()


@pytest.mark.needs_linux
def test_compose_is_missing(path, no_plugin):
    """With what to install."""
    program(path, "docker", "echo \"docker: 'compose' is not a docker command\" >&2; exit 1")
    with pytest.raises(Unsupported, match=r"`docker compose` is not installed .*; install the compose plugin"):
        compose.find()


@pytest.mark.needs_linux
def test_only_compose_version_1(path, no_plugin):
    """It is found, and refused by its version."""
    program(path, "docker", "exit 1")
    program(path, "docker-compose", "echo 1.29.2")
    with pytest.raises(Unsupported, match=r"docker-compose, version 1\.29\.2, is here, and version 2 is needed"):
        compose.find()


@pytest.mark.needs_linux
def test_compose_version_2_by_either_name(path, no_plugin):
    """The plugin, or the program of its own."""
    program(path, "docker-compose", "echo v2.26.1")
    program(path, "docker", "exit 1")
    assert compose.find() == ("docker-compose",)


@pytest.mark.needs_linux
@pytest.mark.parametrize(("version", "found"), [("v2.26.1", True), ("2.26.1-4", True), ("1.29", False)])
def test_the_plugin_counts_by_its_version(path, no_plugin, version, found):
    """Where only `docker` knows where it lies, it tells."""
    program(path, "docker", f"echo {version}")
    if found:
        assert compose.find() == compose.PLUGIN
    else:
        with pytest.raises(Unsupported, match=r"version 1\.29, and version 2"):
            compose.find()


@pytest.mark.needs_linux
@pytest.mark.parametrize("extra", [False, True])
def test_the_plugin_is_called_where_it_lies(path, no_plugin, tmp_path, extra):
    """Not by way of `docker`; one that has moved since the plan was made is found by `docker` again."""
    plugins = tmp_path / ("elsewhere" if extra else "config/cli-plugins")
    plugins.mkdir(parents=True)
    program(plugins, "docker-compose", "exit 0")
    if extra:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [str(plugins)]}))
    plugin = plugins / "docker-compose"
    found = compose.find()
    assert found == (str(plugin),)
    stack = Stack(
        docker=Docker(),
        program=found,
        project="shop",
        directory=tmp_path,
        files=(tmp_path / "compose.yaml",),
        env_files=(),
        services=("web",),
    )
    assert stack.argv("config")[:3] == [str(plugin), "--project-name", "shop"]
    plugin.unlink()
    assert stack.argv("config")[:4] == [*compose.PLUGIN, "--project-name", "shop"]


@pytest.fixture
def app_fixture(make: Any) -> ComposeFixture:
    """A fixture with nothing started."""
    made: ComposeFixture = make(compose=ALONE)
    made.push("1.0.0", keep=True)
    return made


MANIFESTS = [
    ("component_type: python_app", "component_type of its manifest names python_app", "(type)"),
    ("update_steps: [{action: update_compose, service: db, image_tag: '1.1.0'}]", "names db", "(services)"),
    ("update_steps: [{action: update_compose, image_tag: '9.9'}]", "the tag 9.9", "(tag)"),
    ("update_steps: [{action: pull_image, image: 'evil.example/web:1.1.0'}]", "names evil.example/web", "(image)"),
    ("post_update_checks: [{type: health_endpoint, url: 'http://10.0.0.1/'}]", "names 10.0.0.1", "(allowed_hosts)"),
    ("post_update_checks: [{type: container_running, container_name: db}]", "names db", "(services)"),
    ("update_steps: [{action: backup_installation, source: /etc}]", "names /etc", "(no key"),
    ("platform: linux-sparc64", "names linux-sparc64", "(another host)"),
]


@pytest.mark.needs_linux
@docker
@pytest.mark.parametrize(("line", "why", "key"), MANIFESTS)
def test_a_manifest_narrows_and_never_widens(app_fixture, line, why, key):
    """Each thing that the configuration does not name, with the key that would allow it."""
    manifest = line if line.startswith("component_type") else f"component_type: container\n{line}"
    app_fixture.publish("1.1.0", image=False)
    (app_fixture.releases / "1.1.0" / "update-manifest.yaml").write_text(f'version: "1.1.0"\n{manifest}\n')
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert why in result.reason
    assert key in result.todo
    assert not result.touched


@pytest.mark.needs_linux
@docker
def test_an_image_that_is_not_there(app_fixture):
    """The release is announced before its image is pushed: nothing was touched, and the next time it works."""
    app_fixture.publish("1.1.0", image=False)
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert f"cannot look up {app_fixture.image}:1.1.0" in result.reason
    assert not result.touched
    app_fixture.push("1.1.0")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result


@pytest.mark.needs_linux
@docker
def test_the_digest_of_the_manifest_is_the_one_that_is_used(app_fixture):
    """Whatever the tag says by now; one that the registry does not have is refused."""
    good = app_fixture.push("1.1.0", keep=True)
    digest = app_fixture.docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", good).partition("@")[2]
    app_fixture.docker("image", "rm", good)
    app_fixture.push("1.1.0", "crashes")
    line = "update_steps: [{{action: pull_image, image: '{}:1.1.0@{}'}}]"
    app_fixture.publish("1.1.0", image=False, manifest=line.format(app_fixture.image, digest))
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.answers() == "1.1.0"
    app_fixture.publish(
        "1.2.0", manifest=line.format(app_fixture.image, "sha256:" + "0" * 64).replace(":1.1.0@", ":1.2.0@")
    )
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert "@sha256:0000" in result.reason


@pytest.mark.needs_linux
@docker
def test_an_image_for_another_platform(app_fixture):
    """Said while planning: the registry tells."""
    app_fixture.push("1.1.0")
    for_another(f"http://{registry()}/v2/{app_fixture.repository}", "1.1.0", "arm64")
    app_fixture.publish("1.1.0", image=False)
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert "it is for linux/arm64" in result.reason
    assert not result.touched


def for_another(url: str, tag: str, architecture: str) -> None:
    """Change in a registry what an image says that it is for (https://distribution.github.io/distribution/spec/api/)."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.loads(_http("GET", f"{url}/manifests/{tag}", kind=kind)[0])
    config = json.loads(_http("GET", f"{url}/blobs/{manifest['config']['digest']}")[0])
    blob = json.dumps({**config, "architecture": architecture}).encode()
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    place = _http("POST", f"{url}/blobs/uploads/")[1]
    _http("PUT", f"{place}&digest={digest}", blob)
    manifest["config"] |= {"digest": digest, "size": len(blob)}
    _http("PUT", f"{url}/manifests/{tag}", json.dumps(manifest).encode(), kind=kind)


def _http(method: str, url: str, data: bytes | None = None, *, kind: str = "") -> tuple[bytes, str]:
    headers = {"Accept": kind, "Content-Type": kind or "application/octet-stream"}
    request = urllib.request.Request(url, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return answer.read(), answer.headers.get("Location", "")


@pytest.mark.needs_linux
@docker
def test_a_required_healthcheck(make):
    """An image without one does not even start."""
    app_fixture = make(compose=ALONE, healthcheck="required")
    app_fixture.start()
    app_fixture.publish("1.1.0", "unchecked")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert "has no healthcheck" in result.reason
    assert not result.touched
    assert app_fixture.answers() == "1.0.0"


@pytest.mark.needs_linux
@docker
def test_a_pre_check_that_fails(make):
    """Before anything else."""
    app_fixture = make(compose=ALONE, pre_checks=[{"type": "service_running"}])
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert "service_running failed" in result.reason


@pytest.mark.needs_linux
@docker
def test_a_compose_file_that_compose_refuses_afterwards(app_fixture):
    """Nothing is renamed into place that compose does not take."""
    app_fixture.file.write_text(app_fixture.file.read_text() + "    nonsense_key: 1\n")
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.REFUSED, result
    assert "nonsense_key" in result.reason


@pytest.mark.needs_linux
@pytest.mark.needs_root
@docker
def test_a_compose_file_that_is_a_mount_point(app_fixture):
    """A rename there would fail, or not be seen outside."""
    app_fixture.publish("1.1.0")
    subprocess.run(["mount", "--bind", str(app_fixture.file), str(app_fixture.file)], check=True)
    try:
        result = app_fixture.updater().update("web")
    finally:
        subprocess.run(["umount", str(app_fixture.file)], check=True)
    assert result.outcome is Outcome.REFUSED, result
    assert "is a mount point, so a replaced file" in result.reason
    assert f"mount {app_fixture.folder} instead" in result.todo


@pytest.mark.needs_linux
@docker
def test_a_link_to_the_compose_file_stays_one(make, tmp_path):
    """What it leads to is changed."""
    app_fixture = make(compose=ALONE)
    real = tmp_path / "elsewhere.yml"
    app_fixture.file.rename(real)
    app_fixture.file.symlink_to(real)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.file.is_symlink()
    assert ":1.1.0" in real.read_text()
    assert app_fixture.answers() == "1.1.0"


@pytest.mark.needs_linux
@docker
def test_what_fsm_doctor_says(app_fixture):
    """The version, what differs, the room; and an engine that is not there."""
    app_fixture.start()
    app_fixture.file.write_text(app_fixture.file.read_text().replace(":1.0.0", ":1.0.5"))
    said = {finding.message: finding.level for finding in app_fixture.updater().doctor() if finding.subject == "web"}
    assert any("version 1.0.0 is installed" in message for message in said)
    assert any("the compose file says" in message and level == "warning" for message, level in said.items())
    before = os.environ["DOCKER_HOST"]
    os.environ["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    try:
        found = app_fixture.updater().status("web")
        assert "cannot reach the Docker engine" in str(found)
    finally:
        os.environ["DOCKER_HOST"] = before


def test_paths_of_a_configuration(tmp_path):
    """An override file beside a single compose file counts, as for compose; a missing file is said."""
    (tmp_path / "compose.yml").write_text("services: {}\n")
    spec = ContainerSpec(compose_files=(tmp_path / "compose.yml",), services=("web",), image="acme/web")
    assert spec.files() == (tmp_path / "compose.yml",)
    (tmp_path / "compose.override.yml").write_text("services: {}\n")
    assert spec.files() == (tmp_path / "compose.yml", tmp_path / "compose.override.yml")
    assert spec.env_files() == (tmp_path / ".env",)
    (tmp_path / "compose.yml").unlink()
    with pytest.raises(PlanError, match=r"cannot read .*compose\.yml: No such file"):
        Stack.of(spec, ("docker", "compose")).read()


INCLUDING = """\
include: [more.yml]
services:
  web: {image: "{image}:1.0.0", stop_grace_period: 1s}
"""


@docker
@pytest.mark.parametrize("others", ["refuse", "leave"])
def test_a_sibling_of_an_included_file_that_would_stay_behind(make, others):
    """It is seen as well, though it cannot be changed here."""
    app_fixture = make(compose=INCLUDING, others=others)
    more = 'services: {worker: {image: "IMAGE:1.0.0", stop_grace_period: 1s}}\n'
    (app_fixture.folder / "more.yml").write_text(more.replace("IMAGE", app_fixture.image))
    app_fixture.start()
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("web")
    if others == "leave":
        assert result.outcome is Outcome.DONE, result
        assert (app_fixture.runs(), app_fixture.runs("worker")) == ("1.1.0", "1.0.0")
    else:
        assert result.outcome is Outcome.REFUSED, result
        assert "worker would stay on the old version" in result.reason
        assert app_fixture.runs() == "1.0.0"
