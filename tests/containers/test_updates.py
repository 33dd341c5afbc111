"""Updates of compose services on a real engine, with a real registry: those that go well, and those that do not."""

from __future__ import annotations

import json

import pytest

from fsm.engine.report import Outcome
from fsm.services.docker.client import Docker
from fsm.system import inventory
from tests.hosts.images import publish
from tests.hosts.witness import Witness, synced
from tests.ports import free_port

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

CHECKED = {"post_checks": [{"type": "service_active", "timeout_seconds": 5}]}


def test_an_update_changes_one_image_and_one_container(make):
    """The file changes by the tag, the other service's container stays, and by hand nothing is left to do."""
    app_fixture = make(**CHECKED)
    app_fixture.start()
    before, db = app_fixture.file.read_bytes(), app_fixture.container("db")
    app_fixture.publish("1.1.0", manifest="post_update_checks: [{type: container_running, container_name: web}]")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.whole("1.1.0")
    assert app_fixture.file.read_bytes() == before.replace(b'web-1:1.0.0"', b'web-1:1.1.0"').replace(
        b':1.0.0"', b':1.1.0"'
    )
    after, web = app_fixture.container("db"), app_fixture.container()
    assert db is not None
    assert after is not None
    assert web is not None
    assert after["Id"] == db["Id"]
    app_fixture.compose("up", "-d", "--wait")
    again = app_fixture.container()
    assert again is not None
    assert again["Id"] == web["Id"], "a person's own `up` makes the container anew"
    assert app_fixture.updater().check("web", force=True).update_available is False


def test_what_the_engine_has_done_is_synced_before_a_step_ends(make, monkeypatch):
    """A power cut would else leave an image without its layers, or a container that the engine has forgotten."""
    app_fixture = make()
    app_fixture.start()
    places = synced(monkeypatch)
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert {name for name, each in places.items() if each & {*Docker().durable()}} == {
        *("keep", "download", "clear", "edit", "up")
    }


def test_what_changes_the_engine_is_a_child_of_the_run(make, tmp_path, monkeypatch):
    """On the way forward and back: a resume finds by its mark what a crash left running."""
    app_fixture = make()
    app_fixture.start()
    witness = Witness(tmp_path / "witness", monkeypatch)
    app_fixture.publish("1.1.0")
    witness.forget()
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    # Four commands that change something, and three questions that no socket answers: compose twice, the registry.
    assert len(witness.calls()) == 7, witness.calls()
    assert witness.unmarked() == []
    app_fixture.publish("1.2.0", "crashes")
    witness.forget()
    assert app_fixture.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert witness.unmarked() == []
    assert witness.changes() == {("image", "tag"), ("image", "pull"), ("image", "rm"), ("compose", "up")}


@pytest.mark.parametrize(
    ("trait", "why"),
    [
        ("unhealthy", "is unhealthy"),
        ("crashes", "exited with code 3; its log ends with: version 1.1.0 crashes"),
        ("never", "is not healthy yet"),
    ],
)
def test_a_version_that_does_not_work_goes_back(make, trait, why):
    """Unhealthy, crashes at once, never healthy: the old image runs, the file is what it was, the reason is said."""
    app_fixture = make(start_timeout=4.0 if trait == "never" else 20.0)
    app_fixture.start()
    before = inventory.take(app_fixture.folder)
    app_fixture.publish("1.1.0", trait)
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert why in result.reason
    assert app_fixture.whole("1.0.0")
    assert not before.compare(inventory.take(app_fixture.folder))
    assert app_fixture.kept() == []
    assert app_fixture.docker.run("image", "inspect", f"{app_fixture.image}:1.1.0").returncode != 0, (
        "the broken image stayed"
    )
    assert not app_fixture.updater().check("web").update_available, "it would be tried again"


@pytest.mark.parametrize("policy", ["no", "always"])
def test_running_is_not_verified(make, policy):
    """A version that dies after ten seconds is rolled back, also when the engine starts it again by itself."""
    compose = "services:\n  web:\n    image: '{image}:1.0.0'\n    ports: ['127.0.0.1::8080']\n    restart: "
    app_fixture = make(settle_seconds=12.0, compose=f"{compose}'{policy}'\n")
    app_fixture.start()
    app_fixture.publish("1.1.0", "dies")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "exited with code 4" in result.reason or "started again" in result.reason
    assert app_fixture.runs() == app_fixture.answers() == "1.0.0"


def test_a_service_that_crashes_in_a_loop_is_not_waited_for(make):
    """The engine starts it again and again; three times are enough."""
    app_fixture = make(compose="services: {web: {image: '{image}:1.0.0', restart: always, ports: ['127.0.0.1::8080']}}")
    app_fixture.start()
    app_fixture.publish("1.1.0", "crashes")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "1.1.0 crashes" in result.reason
    assert app_fixture.answers() == "1.0.0"


ONE_SHOT = "services:\n  web:\n    image: {image}:1.0.0\n"


def test_a_job_that_ends_with_0_is_done(make):
    """Found out from the container that there was; a job that fails is rolled back, and the old one not done again."""
    app_fixture = make(compose=ONE_SHOT)
    app_fixture.start("1.0.0", "once")
    app_fixture.docker("wait", f"{app_fixture.project}-web-1")
    app_fixture.publish("1.1.0", "once")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert any("has finished" in note for note in result.notes)
    app_fixture.publish("1.2.0", "crashes")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    found = app_fixture.container()
    assert found is not None
    assert found["Config"]["Image"].endswith(":1.1.0")
    assert found["State"]["Status"] == "created", "the old job was done a second time"


def test_a_service_that_ends_with_0_has_failed(make):
    """It ran before, so it is no job."""
    app_fixture = make(compose="services: {web: {image: '{image}:1.0.0', ports: ['127.0.0.1::8080']}}")
    app_fixture.start()
    app_fixture.publish("1.1.0", "once")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert app_fixture.answers() == "1.0.0"


def test_a_service_that_somebody_has_stopped_is_no_job(make):
    """It ended with 0, but the engine would start it again after any end; that it does not run is said both ways."""
    service = "{image: '{image}:1.0.0', ports: ['127.0.0.1::8080'], restart: unless-stopped}"
    app_fixture = make(compose=f"services: {{web: {service}}}")
    app_fixture.start()
    app_fixture.compose("stop", "web")
    app_fixture.publish("1.1.0", "once")
    assert any("is not running; the update starts it" in note for note in app_fixture.updater().plan("web").notes)
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "web did not run before, and does not now" in result.notes
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.answers() == "1.2.0"


def test_a_tag_in_the_env_file(make):
    """The compose file stays, the env file gets the tag; a rollback restores it to the byte."""
    compose = "services:\n  web:\n    image: '{image}:${TAG:-1.0.0}'\n    ports: ['127.0.0.1::8080']\n"
    app_fixture = make(compose=compose, env="# ours\r\nSECRET=x y\r\n")
    app_fixture.env_file.chmod(0o600)
    app_fixture.start()
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.file.read_bytes() == before
    assert app_fixture.env_file.read_bytes() == b"# ours\r\nSECRET=x y\r\nTAG=1.1.0\r\n"
    assert app_fixture.env_file.stat().st_mode & 0o777 == 0o600
    assert app_fixture.answers() == "1.1.0"
    app_fixture.publish("1.2.0", "crashes")
    assert app_fixture.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert app_fixture.env_file.read_bytes() == b"# ours\r\nSECRET=x y\r\nTAG=1.1.0\r\n"
    assert app_fixture.answers() == "1.1.0"


def test_an_env_file_that_was_not_there(make):
    """Made, and gone after a rollback."""
    compose = "services:\n  web:\n    image: '{image}:${TAG:-1.0.0}'\n    ports: ['127.0.0.1::8080']\n"
    app_fixture = make(compose=compose)
    app_fixture.start()
    app_fixture.publish("1.1.0", "crashes")
    assert app_fixture.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert not app_fixture.env_file.exists()
    app_fixture.publish("1.2.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    assert app_fixture.env_file.read_bytes() == b"TAG=1.2.0\n"
    assert app_fixture.answers() == "1.2.0"


def test_a_digest_beside_the_tag_is_replaced(make):
    """With the one that the registry tells, and the old one comes back with a rollback."""
    app_fixture = make(
        compose="services:\n  web:\n    image: {image}:1.0.0@DIGEST  # pinned\n    ports: ['127.0.0.1::8080']\n"
    )
    app_fixture.push("1.0.0", keep=True)
    digest = json.loads(app_fixture.docker("image", "inspect", f"{app_fixture.image}:1.0.0"))[0]["RepoDigests"][
        0
    ].partition("@")[2]
    app_fixture.file.write_text(app_fixture.file.read_text().replace("DIGEST", digest))
    app_fixture.start()
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    new = app_fixture.file.read_text()
    assert f"{app_fixture.image}:1.1.0@sha256:" in new
    assert digest not in new
    assert new.endswith("  # pinned\n    ports: ['127.0.0.1::8080']\n")
    assert app_fixture.answers() == "1.1.0"
    assert app_fixture.updater().rollback("web").outcome is Outcome.DONE
    assert app_fixture.file.read_bytes() == before
    assert app_fixture.answers() == "1.0.0"


def test_several_services_with_one_image(make):
    """All that are named change together, and go back together; a sibling that is not named is a refusal."""
    compose = (
        "x-app: &app\n  image: {image}:1.0.0\nservices:\n  web:\n    <<: *app\n    ports: ['127.0.0.1::8080']\n"
        "  worker: {<<: *app, stop_grace_period: 1s}\n"
    )
    alone = make(compose=compose)
    alone.publish("1.1.0")
    refused = alone.updater().update("web")
    assert refused.outcome is Outcome.REFUSED
    assert "worker would change as well" in refused.reason
    app_fixture = make(compose=compose, services=["web", "worker"])
    app_fixture.start()
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.runs("web") == app_fixture.runs("worker") == "1.1.0"
    app_fixture.publish("1.2.0", "unhealthy")
    assert app_fixture.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert app_fixture.runs("web") == app_fixture.runs("worker") == app_fixture.answers() == "1.1.0"


def test_who_shares_the_network_is_made_anew_with_it(make):
    """Otherwise it would go on in a network that is gone; also when the update goes back."""
    compose = (
        "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n"
        "  sidecar: {image: '{image}-db:1.0.0', network_mode: 'service:web', command: [busybox, sleep, '1000'],"
        " stop_grace_period: 1s}\n"
    )
    app_fixture = make(compose=compose)
    app_fixture.start()
    app_fixture.publish("1.1.0")
    plan = app_fixture.updater().plan("web")
    assert any("sidecar shares the network" in note for note in plan.notes)
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    app_fixture.publish("1.2.0", "crashes")
    for _ in range(2):
        web, sidecar = app_fixture.container("web"), app_fixture.container("sidecar")
        assert web is not None
        assert sidecar is not None
        assert sidecar["HostConfig"]["NetworkMode"] == f"container:{web['Id']}"
        assert sidecar["State"]["Status"] == "running"
        assert app_fixture.runs() == "1.1.0"
        app_fixture.updater().update("web")


def test_a_rollback_and_forward_again(make):
    """To the kept version, without the registry; then the newer one again."""
    app_fixture = make()
    app_fixture.start()
    before = app_fixture.file.read_bytes()
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    app_fixture.unplug()
    kept = app_fixture.updater().backups("web") if hasattr(app_fixture.updater(), "backups") else None
    result = app_fixture.updater().rollback("web")
    assert result.outcome is Outcome.DONE, (result, kept)
    assert app_fixture.whole("1.0.0")
    assert app_fixture.file.read_bytes() == before
    result = app_fixture.updater().rollback("web")
    assert result.outcome is Outcome.DONE, result
    assert app_fixture.whole("1.1.0")


def test_old_images_go_when_retention_ends_and_not_before(make):
    """The one that could be rolled back to stays."""
    app_fixture = make(retention={"count": 1, "days": 0.0})
    app_fixture.start()
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        app_fixture.publish(version)
        assert app_fixture.updater().update("web").outcome is Outcome.DONE
    here = app_fixture.docker("image", "ls", "--format", "{{.Tag}}", app_fixture.image).split()
    assert sorted(here) == ["1.2.0", "1.3.0"]
    assert len(app_fixture.kept()) == 1
    assert app_fixture.updater().rollback("web").outcome is Outcome.DONE
    assert app_fixture.whole("1.2.0")


def test_as_many_containers_as_somebody_wanted(make):
    """A service that was scaled by hand stays so, in an update and in going back."""
    app_fixture = make(compose="services:\n  web:\n    image: {image}:1.0.0\n    stop_grace_period: 1s\n")
    app_fixture.start()
    app_fixture.compose("up", "-d", "--scale", "web=2")
    app_fixture.publish("1.1.0")
    assert app_fixture.updater().update("web").outcome is Outcome.DONE
    both = [f"{app_fixture.project}-web-1", f"{app_fixture.project}-web-2"]
    assert app_fixture.names() == both
    app_fixture.publish("1.2.0", "crashes")
    assert app_fixture.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert app_fixture.names() == both
    images = {app_fixture.docker.inspect(name)["Config"]["Image"] for name in both}
    assert images == {f"{app_fixture.image}:1.1.0"}


PROFILED = """\
services:
  web: {image: "{image}:1.0.0", profiles: [full], depends_on: [db], stop_grace_period: 1s}
  db: {image: "{image}-db:1.0.0", profiles: [data], stop_grace_period: 1s}
  idle: {image: "{image}-db:1.0.0", profiles: [never]}
"""


def test_a_service_whose_profile_is_not_active(make):
    """It is updated, and goes back, as one that has none; services of other profiles are not started."""
    app_fixture = make(compose=PROFILED)
    app_fixture.push("1.0.0", keep=True)
    publish(f"{app_fixture.repository}-db", "1.0.0", keep=True)
    app_fixture.compose("--profile", "full", "--profile", "data", "up", "-d", "--wait")
    app_fixture.publish("1.1.0")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    app_fixture.publish("1.2.0", "crashes")
    result = app_fixture.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert (app_fixture.runs(), app_fixture.runs("db"), app_fixture.container("idle")) == ("1.1.0", "1.0.0", None)


DOCUMENT_001 = """\
min_remote_version: "0.0.1"
pre_update_checks:
  - {type: disk_space, minimum_mb: 5, description: Ensure sufficient disk space for new image}
update_steps:
  - {action: backup_compose, description: Backup current docker-compose.yaml}
  - {action: update_compose, service: web, image_tag: "1.1.0"}
  - {action: pull_image, image: "IMAGE:1.1.0"}
  - {action: restart_service, service: web, timeout_seconds: 30}
post_update_checks:
  - {type: container_running, container_name: web}
  - {type: health_endpoint, url: "http://localhost:PORT/version", timeout_seconds: 20, expected_body: "EXPECTED"}
  - {type: version_check, expected_version: "1.1.0"}
rollback_steps:
  - {action: restore_compose}
  - {action: restart_service, service: web}
"""


@pytest.mark.parametrize(("expected", "outcome"), [("1.1.0", Outcome.DONE), ("9.9", Outcome.ROLLED_BACK)])
def test_the_manifest_of_document_001(make, expected, outcome):
    """Its checks are performed, its steps are what happens anyhow."""
    port = free_port()
    app_fixture = make(compose=f"services: {{web: {{image: '{{image}}:1.0.0', ports: ['127.0.0.1:{port}:8080']}}}}")
    app_fixture.start()
    text = DOCUMENT_001.replace("IMAGE", app_fixture.image).replace("PORT", str(port)).replace("EXPECTED", expected)
    app_fixture.publish("1.1.0", manifest=text.replace("timeout_seconds: 20", "timeout_seconds: 3"))
    result = app_fixture.updater().update("web")
    assert result.outcome is outcome, result
    assert app_fixture.answers() == ("1.1.0" if outcome is Outcome.DONE else "1.0.0")
    if outcome is Outcome.ROLLED_BACK:
        assert "health_endpoint failed" in result.reason
