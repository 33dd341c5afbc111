"""Updates of compose services on a real engine, with a real registry: those that go well, and those that do not."""

from __future__ import annotations

import json
import socket

import pytest

from fsm import inventory
from fsm.report import Outcome
from tests.hosts.images import publish

pytestmark = [pytest.mark.needs_linux, pytest.mark.needs_docker]

CHECKED = {"post_checks": [{"type": "service_active", "timeout_seconds": 5}]}


def test_an_update_changes_one_image_and_one_container(make):
    """The file changes by the tag, the other service's container stays, and by hand nothing is left to do."""
    bed = make(**CHECKED)
    bed.start()
    before, db = bed.file.read_bytes(), bed.container("db")
    bed.publish("1.1.0", manifest="post_update_checks: [{type: container_running, container_name: web}]")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert bed.whole("1.1.0")
    assert bed.file.read_bytes() == before.replace(b'web-1:1.0.0"', b'web-1:1.1.0"').replace(b':1.0.0"', b':1.1.0"')
    after, web = bed.container("db"), bed.container()
    assert db is not None
    assert after is not None
    assert web is not None
    assert after["Id"] == db["Id"]
    bed.compose("up", "-d", "--wait")
    again = bed.container()
    assert again is not None
    assert again["Id"] == web["Id"], "a person's own `up` makes the container anew"
    assert bed.updater().check("web", force=True).update_available is False


@pytest.mark.parametrize(
    ("trait", "why"),
    [
        ("unhealthy", "is unhealthy"),
        ("crashes", "ended with 3; its log ends with: version 1.1.0 crashes"),
        ("never", "is not healthy yet"),
    ],
)
def test_a_version_that_does_not_do_goes_back(make, trait, why):
    """Unhealthy, crashes at once, never healthy: the old image runs, the file is what it was, the reason is said."""
    bed = make(start_timeout=4.0)
    bed.start()
    before = inventory.take(bed.folder)
    bed.publish("1.1.0", trait)
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert why in result.reason
    assert bed.whole("1.0.0")
    assert not before.compare(inventory.take(bed.folder))
    assert bed.kept() == []
    assert bed.docker.run("image", "inspect", f"{bed.image}:1.1.0").returncode != 0, "the broken image stayed"
    assert not bed.updater().check("web").update_available, "it would be tried again"


@pytest.mark.parametrize("policy", ["no", "always"])
def test_running_is_not_verified(make, policy):
    """A version that dies after ten seconds is rolled back, also when the engine starts it again by itself."""
    compose = "services:\n  web:\n    image: '{image}:1.0.0'\n    ports: ['127.0.0.1::8080']\n    restart: "
    bed = make(settle_seconds=12.0, compose=f"{compose}'{policy}'\n")
    bed.start()
    bed.publish("1.1.0", "dies")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "ended with 4" in result.reason or "started again" in result.reason
    assert bed.runs() == bed.answers() == "1.0.0"


def test_a_service_that_crashes_in_a_loop_is_not_waited_for(make):
    """The engine starts it again and again; three times are enough."""
    bed = make(compose="services: {web: {image: '{image}:1.0.0', restart: always, ports: ['127.0.0.1::8080']}}")
    bed.start()
    bed.publish("1.1.0", "crashes")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "1.1.0 crashes" in result.reason
    assert bed.answers() == "1.0.0"


ONE_SHOT = "services:\n  web:\n    image: {image}:1.0.0\n"


def test_a_job_that_ends_with_0_is_done(make):
    """Found out from the container that there was; a job that fails is rolled back, and the old one not done again."""
    bed = make(compose=ONE_SHOT)
    bed.start("1.0.0", "once")
    bed.docker("wait", f"{bed.project}-web-1")
    bed.publish("1.1.0", "once")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert any("has done its work" in note for note in result.notes)
    bed.publish("1.2.0", "crashes")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    found = bed.container()
    assert found is not None
    assert found["Config"]["Image"].endswith(":1.1.0")
    assert found["State"]["Status"] == "created", "the old job was done a second time"


def test_a_service_that_ends_with_0_has_failed(make):
    """It ran before, so it is no job."""
    bed = make(compose="services: {web: {image: '{image}:1.0.0', ports: ['127.0.0.1::8080']}}")
    bed.start()
    bed.publish("1.1.0", "once")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert bed.answers() == "1.0.0"


def test_a_service_that_somebody_has_stopped_is_no_job(make):
    """It ended with 0, but the engine would start it again after any end; that it does not run is said both ways."""
    service = "{image: '{image}:1.0.0', ports: ['127.0.0.1::8080'], restart: unless-stopped}"
    bed = make(compose=f"services: {{web: {service}}}")
    bed.start()
    bed.compose("stop", "web")
    bed.publish("1.1.0", "once")
    assert any("does not run now; the update starts it" in note for note in bed.updater().plan("web").notes)
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert "web did not run before, and does not now" in result.notes
    bed.publish("1.2.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    assert bed.answers() == "1.2.0"


def test_a_tag_in_the_env_file(make):
    """The compose file stays, the env file gets the tag; a rollback restores it to the byte."""
    compose = "services:\n  web:\n    image: '{image}:${TAG:-1.0.0}'\n    ports: ['127.0.0.1::8080']\n"
    bed = make(compose=compose, env="# ours\r\nSECRET=x y\r\n")
    bed.env_file.chmod(0o600)
    bed.start()
    before = bed.file.read_bytes()
    bed.publish("1.1.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    assert bed.file.read_bytes() == before
    assert bed.env_file.read_bytes() == b"# ours\r\nSECRET=x y\r\nTAG=1.1.0\r\n"
    assert bed.env_file.stat().st_mode & 0o777 == 0o600
    assert bed.answers() == "1.1.0"
    bed.publish("1.2.0", "crashes")
    assert bed.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert bed.env_file.read_bytes() == b"# ours\r\nSECRET=x y\r\nTAG=1.1.0\r\n"
    assert bed.answers() == "1.1.0"


def test_an_env_file_that_was_not_there(make):
    """Made, and gone after a rollback."""
    compose = "services:\n  web:\n    image: '{image}:${TAG:-1.0.0}'\n    ports: ['127.0.0.1::8080']\n"
    bed = make(compose=compose)
    bed.start()
    bed.publish("1.1.0", "crashes")
    assert bed.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert not bed.env_file.exists()
    bed.publish("1.2.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    assert bed.env_file.read_bytes() == b"TAG=1.2.0\n"
    assert bed.answers() == "1.2.0"


def test_a_digest_beside_the_tag_is_replaced(make):
    """With the one that the registry tells, and the old one comes back with a rollback."""
    bed = make(compose="services:\n  web:\n    image: {image}:1.0.0@DIGEST  # pinned\n    ports: ['127.0.0.1::8080']\n")
    bed.push("1.0.0", keep=True)
    digest = json.loads(bed.docker("image", "inspect", f"{bed.image}:1.0.0"))[0]["RepoDigests"][0].partition("@")[2]
    bed.file.write_text(bed.file.read_text().replace("DIGEST", digest))
    bed.start()
    before = bed.file.read_bytes()
    bed.publish("1.1.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    new = bed.file.read_text()
    assert f"{bed.image}:1.1.0@sha256:" in new
    assert digest not in new
    assert new.endswith("  # pinned\n    ports: ['127.0.0.1::8080']\n")
    assert bed.answers() == "1.1.0"
    assert bed.updater().rollback("web").outcome is Outcome.DONE
    assert bed.file.read_bytes() == before
    assert bed.answers() == "1.0.0"


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
    bed = make(compose=compose, services=["web", "worker"])
    bed.start()
    bed.publish("1.1.0")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    assert bed.runs("web") == bed.runs("worker") == "1.1.0"
    bed.publish("1.2.0", "unhealthy")
    assert bed.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert bed.runs("web") == bed.runs("worker") == bed.answers() == "1.1.0"


def test_who_shares_the_network_is_made_anew_with_it(make):
    """Otherwise it would go on in a network that is gone; also when the update goes back."""
    compose = (
        "services:\n  web:\n    image: {image}:1.0.0\n    ports: ['127.0.0.1::8080']\n"
        "  sidecar: {image: '{image}-db:1.0.0', network_mode: 'service:web', command: [busybox, sleep, '1000'],"
        " stop_grace_period: 1s}\n"
    )
    bed = make(compose=compose)
    bed.start()
    bed.publish("1.1.0")
    plan = bed.updater().plan("web")
    assert any("sidecar shares the network" in note for note in plan.notes)
    assert bed.updater().update("web").outcome is Outcome.DONE
    bed.publish("1.2.0", "crashes")
    for _ in range(2):
        web, sidecar = bed.container("web"), bed.container("sidecar")
        assert web is not None
        assert sidecar is not None
        assert sidecar["HostConfig"]["NetworkMode"] == f"container:{web['Id']}"
        assert sidecar["State"]["Status"] == "running"
        assert bed.runs() == "1.1.0"
        bed.updater().update("web")


def test_a_rollback_and_forward_again(make):
    """To the kept version, without the registry; then the newer one again."""
    bed = make()
    bed.start()
    before = bed.file.read_bytes()
    bed.publish("1.1.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    bed.unplug()
    kept = bed.updater().backups("web") if hasattr(bed.updater(), "backups") else None
    result = bed.updater().rollback("web")
    assert result.outcome is Outcome.DONE, (result, kept)
    assert bed.whole("1.0.0")
    assert bed.file.read_bytes() == before
    result = bed.updater().rollback("web")
    assert result.outcome is Outcome.DONE, result
    assert bed.whole("1.1.0")


def test_old_images_go_when_retention_ends_and_not_before(make):
    """The one that could be rolled back to stays."""
    bed = make(retention={"count": 1, "days": 0.0})
    bed.start()
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        bed.publish(version)
        assert bed.updater().update("web").outcome is Outcome.DONE
    here = bed.docker("image", "ls", "--format", "{{.Tag}}", bed.image).split()
    assert sorted(here) == ["1.2.0", "1.3.0"]
    assert len(bed.kept()) == 1
    assert bed.updater().rollback("web").outcome is Outcome.DONE
    assert bed.whole("1.2.0")


def test_as_many_containers_as_somebody_wanted(make):
    """A service that was scaled by hand stays so, in an update and in going back."""
    bed = make(compose="services:\n  web:\n    image: {image}:1.0.0\n    stop_grace_period: 1s\n")
    bed.start()
    bed.compose("up", "-d", "--scale", "web=2")
    bed.publish("1.1.0")
    assert bed.updater().update("web").outcome is Outcome.DONE
    both = [f"{bed.project}-web-1", f"{bed.project}-web-2"]
    assert bed.names() == both
    bed.publish("1.2.0", "crashes")
    assert bed.updater().update("web").outcome is Outcome.ROLLED_BACK
    assert bed.names() == both
    images = {bed.docker.inspect(name)["Config"]["Image"] for name in both}
    assert images == {f"{bed.image}:1.1.0"}


PROFILED = """\
services:
  web: {image: "{image}:1.0.0", profiles: [full], depends_on: [db], stop_grace_period: 1s}
  db: {image: "{image}-db:1.0.0", profiles: [data], stop_grace_period: 1s}
  idle: {image: "{image}-db:1.0.0", profiles: [never]}
"""


def test_a_service_whose_profile_is_not_active(make):
    """It is updated, and goes back, as one that has none; services of other profiles are not started."""
    bed = make(compose=PROFILED)
    bed.push("1.0.0", keep=True)
    publish(f"{bed.repository}-db", "1.0.0", keep=True)
    bed.compose("--profile", "full", "--profile", "data", "up", "-d", "--wait")
    bed.publish("1.1.0")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.DONE, result
    bed.publish("1.2.0", "crashes")
    result = bed.updater().update("web")
    assert result.outcome is Outcome.ROLLED_BACK, result
    assert (bed.runs(), bed.runs("db"), bed.container("idle")) == ("1.1.0", "1.0.0", None)


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
    bed = make(compose=f"services: {{web: {{image: '{{image}}:1.0.0', ports: ['127.0.0.1:{port}:8080']}}}}")
    bed.start()
    text = DOCUMENT_001.replace("IMAGE", bed.image).replace("PORT", str(port)).replace("EXPECTED", expected)
    bed.publish("1.1.0", manifest=text.replace("timeout_seconds: 20", "timeout_seconds: 3"))
    result = bed.updater().update("web")
    assert result.outcome is outcome, result
    assert bed.answers() == ("1.1.0" if outcome is Outcome.DONE else "1.0.0")
    if outcome is Outcome.ROLLED_BACK:
        assert "health_endpoint failed" in result.reason


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
