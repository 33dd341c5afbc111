"""What a manifest names on the host, found completely."""

from __future__ import annotations

import pytest

from fsm.formats.artifacts import Artifact
from fsm.formats.manifest import Claim, Manifest
from fsm.formats.manifest.claims import HARMLESS, KINDS, named
from fsm.formats.manifest.problems import ACTIONS, CHECKS
from tests.unit.manifest.reading import DIGEST, download, read

TEMPLATE = """
version: "1.0"
pre_update_checks:
  - {type: service_running, service_name: web}
  - {type: service_running}
update_steps:
  - {action: download_artifact, url: "HTTPS-is-a-path/x.tgz"}
  - {action: download_artifact, url: "https://Files.Example.ORG:8443/x.tgz"}
  - {action: pull_image, image: "localhost:5000/team/app:1.0@sha256:DIGEST"}
  - {action: restart_service, service: db}
  - {action: run_migrations, script: /opt/app/migrate.sh}
  - {action: install_requirements, requirements_file: requirements.txt}
  - {action: backup_installation, source: /opt/app, destination: /var/backups/app}
post_update_checks:
  - {type: container_running, container_name: box}
  - {type: health_endpoint, url: "http://[::1]:80/health"}
rollback_steps:
  - {action: restore_backup, source: latest_backup, destination: /opt/app}
  - {action: restore_backup, source: /var/backups/app}
artifacts:
  - {name: a.tgz, url: "https://cdn.example.org/a.tgz", sha256: "sha256:DIGEST"}
  - {name: b.tgz, sha256: "sha256:DIGEST"}
"""
TEXT = TEMPLATE.replace("DIGEST", "0" * 64)


def test_claims():
    """Services, paths, images and hosts are found in the document's order, each with its path."""
    manifest = read(TEXT)
    assert manifest.services() == (
        Claim("pre_update_checks[0].service_name", "web"),
        Claim("update_steps[3].service", "db"),
        Claim("post_update_checks[0].container_name", "box"),
    )
    assert manifest.paths() == (
        Claim("update_steps[4].script", "/opt/app/migrate.sh"),
        Claim("update_steps[5].requirements_file", "requirements.txt"),
        Claim("update_steps[6].source", "/opt/app"),
        Claim("update_steps[6].destination", "/var/backups/app"),
        Claim("rollback_steps[0].destination", "/opt/app"),
        Claim("rollback_steps[1].source", "/var/backups/app"),
    )
    assert manifest.images() == (Claim("update_steps[2].image", "localhost:5000/team/app"),)
    assert manifest.hosts() == (
        Claim("update_steps[1].url", "files.example.org"),
        Claim("post_update_checks[1].url", "::1"),
        Claim("artifacts[0].url", "cdn.example.org"),
    )


def test_described_artifacts_are_named_once():
    """An artifact that a download step describes is claimed by the step alone."""
    manifest = read(download(DIGEST, "https://x/a"))
    assert len(manifest.artifacts) == 1
    assert manifest.hosts() == (Claim("update_steps[0].url", "x"),)


@pytest.mark.parametrize(
    ("image", "repository"),
    [("nginx", "nginx"), ("nginx:1.2", "nginx"), ("a/b@sha256:" + "0" * 64, "a/b"), ("h:5000/a/b", "h:5000/a/b")],
)
def test_repository(image, repository):
    """An image's repository has neither tag nor digest, but keeps the registry's port."""
    assert named("image", image) == repository


@pytest.mark.parametrize("model", [*ACTIONS.values(), *CHECKS.values(), Artifact])
def test_every_text_is_known(model):
    """Each key of a step, a check or an artifact that holds a text is named as harmless or as naming something."""
    for key, schema in model.model_json_schema()["properties"].items():
        types = {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", ()))}
        assert "string" not in types or key in HARMLESS or key in KINDS, f"{model.__name__}.{key}"


def test_manifest_itself_names_nothing():
    """The manifest's own keys are a version, names and notes: none is claimed."""
    assert not set(Manifest.model_fields) & set(KINDS)
