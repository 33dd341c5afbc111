"""Reading manifests: the examples of the documentation, the values they give, and the message for each mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fsm.errors import ManifestError
from fsm.formats.artifacts import Artifact
from fsm.formats.checkspec import BackupExists, DiskSpace, HealthEndpoint
from fsm.formats.manifest import canonical, check_updater_version
from fsm.formats.manifest.steps import DownloadArtifact, RunMigrations
from fsm.model import Version
from tests.unit.manifest.reading import DIGEST, HEAD, download, read, refusal

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "manifest.md"
DOCUMENTS = Path(__file__).parent / "documents"


def examples() -> list[str]:
    """The YAML blocks of the documentation, and the examples of document 001."""
    pages = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [*pages, *(path.read_text(encoding="utf-8") for path in sorted(DOCUMENTS.iterdir()))]


@pytest.mark.parametrize("example", examples())
def test_examples(example):
    """Every example of the documentation is a manifest and survives its canonical form."""
    manifest = read(example)
    assert read(canonical(manifest).decode()) == manifest


def test_container_example():
    """The container of document 001 is read as it stands."""
    manifest = read((DOCUMENTS / "container.yaml").read_text(encoding="utf-8"))
    assert manifest.version == Version("1.1.0")
    assert manifest.component_type == "container"
    assert manifest.min_updater_version == Version("1.0.0")
    assert [type(check) for check in manifest.pre_update_checks] == [DiskSpace, BackupExists]
    assert [step.action for step in manifest.update_steps] == [
        "backup_compose",
        "update_compose",
        "pull_image",
        "restart_service",
    ]
    assert manifest.artifacts == ()


def test_python_example():
    """The Python application of document 001 is read as it stands; its placeholder of a checksum makes no artifact."""
    manifest = read((DOCUMENTS / "python_app.yaml").read_text(encoding="utf-8"))
    health = manifest.post_update_checks[1]
    assert isinstance(health, HealthEndpoint)
    assert (health.url, health.timeout_seconds, health.expected_status) == ("http://localhost:5000/health", 60.0, 200)
    download, migration = manifest.update_steps[0], manifest.update_steps[5]
    assert isinstance(download, DownloadArtifact)
    assert download.checksum == "sha256:abc123..."
    assert isinstance(migration, RunMigrations)
    assert migration.optional
    assert manifest.artifacts == ()
    assert manifest.remarks() == ("update_steps[0].checksum is not a complete sha256 digest and is not used",)


def test_example_of_a_message():
    """The message that the documentation shows is the one that comes."""
    shown = re.findall(r"```text\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    text = HEAD + 'post_update_checks:\n  - type: health_endpoint\n    url: http://x/\n    expected_status: "200"\n'
    assert refusal(text).replace("m.yaml", "update-manifest.yaml") == shown


def test_download_step_stands_for_an_artifact():
    """A download step with a complete digest is an artifact, named by its URL, where no artifacts are listed."""
    manifest = read(download(DIGEST.upper().replace("SHA256", "sha256")))
    assert manifest.artifacts == (
        Artifact(name="app 1.tar.gz", url="https://example.org/files/app%201.tar.gz?x=1", sha256=DIGEST),
    )
    assert manifest.remarks() == ()
    assert read(download(DIGEST) + "artifacts: []\n").artifacts == ()


@pytest.mark.parametrize("url", ["https://example.org/", "https://example.org", "https://example.org/.hidden"])
def test_download_step_without_a_name(url):
    """A URL that names no plain file stands for no artifact."""
    assert read(download(DIGEST, url)).artifacts == ()


def test_same_download_twice():
    """The same file downloaded in two steps is one artifact; another file of the same name is refused."""
    step = f"- action: download_artifact\n  url: https://a/x.tgz\n  checksum: {DIGEST}\n"
    assert len(read(f"{HEAD}update_steps:\n{step}{step}").artifacts) == 1
    other = step.replace("https://a", "https://b")
    assert refusal(f"{HEAD}update_steps:\n{step}{other}") == (
        "m.yaml:3:1: update_steps describes a second x.tgz; give each artifact its own name"
    )


def test_min_remote_version_means_min_updater_version():
    """Both keys mean the same, and may both stand there when they agree."""
    for text in (
        "min_remote_version: '2.0'",
        "min_updater_version: '2.0'",
        "min_remote_version: '2'\nmin_updater_version: '2.0'",
    ):
        manifest = read(HEAD + text)
        assert manifest.min_updater_version == Version("2.0")
        check_updater_version(manifest, Version("2.0"))
        with pytest.raises(ManifestError) as caught:
            check_updater_version(manifest, Version("2.0rc1"))
        assert str(caught.value) == (
            f"cannot install version 1.0: it needs fsm-updater {manifest.min_updater_version} or newer, "
            "but this is 2.0rc1; update fsm-updater first"
        )
    check_updater_version(read(HEAD), Version("0.1"))
