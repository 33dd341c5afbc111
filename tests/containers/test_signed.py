"""Signed releases of containers: the digest in the manifest is what runs, whatever the registry has under the tag."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from fsm.engine.report import Outcome
from fsm.formats.manifest import Manifest, canonical
from fsm.formats.trust import SignedFile
from fsm.formats.trust.signing import sign_manifest
from tests.compose import ComposeFixture
from tests.unit.trust.conftest import Maker

pytestmark = pytest.mark.needs_docker


class SignedFixture(ComposeFixture):
    """A project whose releases are signed."""

    def __init__(self, root: Path) -> None:
        self.maker = Maker()
        source = {"type": "directory", "path": str(root / "releases"), "repository": "acme/shop"}
        super().__init__(root, source=source, trust={"root_keys": [str(self.maker.root.public_key)]})

    def digest(self, tag: str) -> str:
        """What the registry has under a tag now."""
        address, _, name = self.image.partition("/")
        kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        asked = urllib.request.Request(f"http://{address}/v2/{name}/manifests/{tag}", headers={"Accept": kinds})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return str(answer.headers["Docker-Content-Digest"])

    def release(self, version: str, image: str) -> None:
        """Publish a signed release that names an image."""
        text = {
            "version": version,
            "component": self.name,
            "component_type": "container",
            "sequence": 1,
            "update_steps": [{"action": "pull_image", "image": image}],
        }
        made = Manifest.model_validate(text, strict=False)
        data = canonical(made)
        folder = self.releases / version
        folder.mkdir()
        signed = SignedFile(data, sign_manifest(data, made, [self.maker.ci], "acme/shop"))
        for name, found in {"update-manifest.yaml": signed, "fsm-keyring.yaml": self.maker.keyring()}.items():
            (folder / name).write_bytes(found.data)
            (folder / f"{name}.minisig").write_bytes(found.signature)


def test_the_signed_digest_runs(tmp_path):
    """A tag that was moved to another image afterwards changes nothing."""
    with SignedFixture(tmp_path) as app_fixture:
        app_fixture.start("1.0.0")
        app_fixture.push("1.1.0")
        app_fixture.release("1.1.0", f"{app_fixture.image}:1.1.0@{app_fixture.digest('1.1.0')}")
        app_fixture.push("6.6.6", tag="1.1.0")
        result = app_fixture.updater().update(app_fixture.name)
        assert result.outcome is Outcome.DONE, result.headline
        assert app_fixture.answers() == "1.1.0"


def test_a_signed_manifest_without_a_digest_is_refused(tmp_path):
    """Nobody has signed what the registry has under a tag."""
    with SignedFixture(tmp_path) as app_fixture:
        app_fixture.start("1.0.0")
        app_fixture.push("1.1.0")
        app_fixture.release("1.1.0", f"{app_fixture.image}:1.1.0")
        result = app_fixture.updater().update(app_fixture.name)
        assert result.outcome is Outcome.REFUSED
        assert "has no digest for the image" in result.reason
        assert app_fixture.answers() == "1.0.0"
