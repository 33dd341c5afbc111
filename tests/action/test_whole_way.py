"""From a tag to a host: the action publishes, a host installs; and each attack of the threat model.

Each attack begins with what the action has really published, and ends with exit code 20 and a host that is what it was.
The names of these tests stand in the table of docs/explanation/threat-model.md.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm.formats.manifest import Manifest, canonical, parse
from fsm.formats.trust import KEYRING, SIGNATURE, Key, Keyring, SecretKey, SignedFile
from fsm.formats.trust.documents import Revoked
from fsm.formats.trust.signing import sign_keyring, sign_manifest
from tests import warm
from tests.action.conftest import Job
from tests.action.runner import Done
from tests.github.fake import FakeGitHub
from tests.github.state import GitRelease
from tests.servers import ReleaseServer
from tests.unit.release.conftest import Repository

pytestmark = [pytest.mark.timeout(300), pytest.mark.needs_linux]

ROOT = Path(__file__).parents[2]
MANIFEST = "update-manifest.yaml"


class Way:
    """A maintainer with keys, a repository at the fake GitHub, and a host that has 1.0.0 and pins the root key."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.folder = job, folder
        self.root, self.ci, self.spare, self.thief = (SecretKey.generate() for _ in range(4))
        self.commit(self.ring(1))
        self.live = folder / "web"
        self.live.mkdir(parents=True)
        (self.live / "VERSION").write_text("1.0.0\n")
        (self.live / "notes.txt").write_text("mine")
        self.configure(f'type = "github"\nrepository = "o/r"\napi_url = "{job.github.api_url}"\n')

    def ring(self, version: int, *, revoked: bool = False) -> SignedFile:
        """The keyring, with the ci key or without."""
        keys = [Key(name="ci", key=str(self.ci.public_key)), Key(name="spare", key=str(self.spare.public_key))]
        gone = (Revoked(name="ci", key=str(self.ci.public_key)),) if revoked else ()
        made = Keyring(version=version, keys=tuple(keys[1:] if revoked else keys), revoked=gone)
        return sign_keyring(made, [self.root])

    def commit(self, ring: SignedFile) -> None:
        """Put a keyring into the maintainer's repository."""
        self.job.where.write(KEYRING, ring.data)
        self.job.where.write(KEYRING + SIGNATURE, ring.signature)

    def release(self, version: str, at: int, *, key: SecretKey | None = None) -> Done:
        """Tag a version, and let the action publish it; `at` is the time of the commit."""
        self.job.where.archive(f"dist/web-{version}.tar.gz", VERSION=f"{version}\n".encode(), app_py=b"pass\n")
        for old in (self.job.where.root / "dist").glob("*.tar.gz"):
            if old.name != f"web-{version}.tar.gz":
                old.unlink()
        os.environ["SOURCE_DATE_EPOCH"] = str(at)
        done = self.job.act(tag=f"v{version}", signing_key=(key or self.ci).file())
        assert done.code == 0, done.log
        return done

    def configure(self, source: str) -> None:
        """Write the host's configuration with this source."""
        (self.folder / "fsm.toml").write_text(
            f'[fsm]\nstate_dir = "state"\n[trust]\nroot_keys = ["{self.root.public_key}"]\n'
            '[components.web]\ntype = "python_app"\ninstall_path = "web"\n'
            f'[components.web.source]\n{source}\n[components.web.service]\nmanager = "none"\n'
        )

    def fsm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        return warm.fsm("--config", str(self.folder / "fsm.toml"), *arguments, cwd=self.folder, env=env, timeout=120)

    def installed(self) -> str:
        """The version that lies there."""
        return (self.live / "VERSION").read_text().strip()

    def update(self, version: str) -> None:
        """Update, and see that it is there."""
        done = self.fsm("update", "web")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.installed() == version

    def refused(self, why: str, *arguments: str) -> None:
        """An update is refused with exit code 20 and a reason; not a byte or a time of the app has changed."""
        before = _snapshot(self.live)
        done = self.fsm("update", "web", *arguments)
        assert done.returncode == 20, done.stdout + done.stderr
        assert why in " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in done.stderr
        assert _snapshot(self.live) == before

    def published(self, version: str) -> GitRelease:
        """A release as the fake has it."""
        found = self.job.there.release(f"v{version}")
        assert found is not None
        return found

    def replace(self, version: str, name: str, content: bytes) -> None:
        """What somebody with the account does: remove an asset, and upload another one under its name."""
        release = self.published(version)
        old = release.named(name)
        if old is not None:
            del release.assets[old.id]
        self.job.there.add_asset(release, name, content)

    def content(self, version: str, name: str) -> bytes:
        """The bytes of an asset."""
        asset = self.published(version).named(name)
        assert asset is not None
        return asset.content

    def mirror(self, root: Path, *versions: str) -> None:
        """Copy releases into the layout of a web server."""
        for version in versions:
            folder = root / version
            folder.mkdir(parents=True)
            for asset in self.published(version).assets.values():
                (folder / asset.name).write_bytes(asset.content)


def _snapshot(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        about = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(root))] = (about.st_mode, about.st_mtime_ns, about.st_ino, digest)
    return found


@pytest.fixture
def way(
    checkout: Path, repository: Repository, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Way]:
    """Version 1.1.0 is published by the action; the host has 1.0.0."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    repository.describe(
        "components:\n  - name: web\n    type: python_app\n    artifacts:\n      - path: dist/web-{version}.tar.gz\n"
    )
    with FakeGitHub() as github:
        made = Way(Job(checkout, repository, github, tmp_path_factory.mktemp("job")), tmp_path_factory.mktemp("host"))
        made.release("1.1.0", 1_700_000_000)
        yield made


def test_from_a_tag_to_a_host(way: Way):
    """The host sees the release, verifies it, installs it; the next one, too, and its own file stays."""
    found = way.fsm("check")
    assert "1.1.0 is available" in found.stdout
    assert "warning" not in found.stdout
    way.update("1.1.0")
    way.release("1.2.0", 1_700_000_100)
    way.update("1.2.0")


def test_a_tampered_artifact(way: Way):
    """Another archive under the same name; the sums beside it, which nobody has signed, are made to fit."""
    name = "web-1.1.0.tar.gz"
    evil = way.content("1.1.0", name) + b"evil"
    way.replace("1.1.0", name, evil)
    way.replace("1.1.0", "SHA256SUMS", f"{hashlib.sha256(evil).hexdigest()}  {name}\n".encode())
    way.refused("it was changed under the same tag")


def test_a_tampered_manifest(way: Way):
    """One that names the evil archive."""
    data = way.content("1.1.0", MANIFEST)
    way.replace("1.1.0", MANIFEST, data.replace(b'"1.1.0"', b'"1.1.0" '))
    way.refused("the signature is wrong")


def test_an_unsigned_release(way: Way):
    """The signature is simply left away."""
    release = way.published("1.1.0")
    signature = release.named(MANIFEST + SIGNATURE)
    assert signature is not None
    del release.assets[signature.id]
    way.refused("it is not signed")


def test_a_compromised_account_without_keys(way: Way):
    """Whoever has the account makes a release of their own, signed with their own key, beside their own keyring."""
    way.commit(sign_keyring(Keyring(version=9, keys=(Key(name="ci", key=str(way.thief.public_key)),)), [way.thief]))
    way.release("6.6.6", 1_700_009_999, key=way.thief)
    way.refused("0 of the 1 required root keys")
    for name in (KEYRING, KEYRING + SIGNATURE):
        way.replace("6.6.6", name, way.content("1.1.0", name))
    way.refused("the keyring does not know")


def test_a_stolen_key_after_its_revocation(way: Way):
    """Its releases are refused as soon as the host has heard of it; also old ones."""
    way.update("1.1.0")
    way.commit(way.ring(2, revoked=True))
    way.release("1.2.0", 1_700_000_100, key=way.spare)
    way.update("1.2.0")
    made = Manifest.model_validate({"version": "6.6.6", "component": "web", "sequence": 1 << 52}, strict=False)
    data = canonical(made)
    signature = sign_manifest(data, made, [way.ci], "o/r")
    way.job.there.add_release("v6.6.6", {MANIFEST: data, MANIFEST + SIGNATURE: signature})
    way.refused("its key ci is revoked")


def test_a_replay_of_an_old_release(way: Way):
    """The genuine files of 1.1.0 under a newer tag, and as themselves."""
    way.release("1.2.0", 1_700_000_100)
    way.update("1.2.0")
    old = {asset.name: asset.content for asset in way.published("1.1.0").assets.values()}
    way.job.there.add_release("v1.3.0", old)
    way.refused("it is about version 1.1.0")
    way.refused("it is older (sequence 1700000000) than", "--version", "1.1.0")
    way.refused("it is older (sequence 1700000000) than", "--version", "1.1.0", "--force")


def test_a_freeze(way: Way, tmp_path: Path):
    """A mirror that keeps newer releases back: what it shows has ended, and that is said."""
    way.job.where.describe(way.job.where.description.read_text() + "    expires_after_days: 3660\n")
    way.release("1.2.0", 1_700_000_100)
    way.mirror(tmp_path / "mirror", "1.2.0")
    # As it was published with 30 days, when these were not over: by now the action would refuse it.
    made = parse(way.content("1.2.0", MANIFEST), MANIFEST).model_copy(update={"expires_at": "2023-12-14T22:15:00Z"})
    (tmp_path / "mirror" / "1.2.0" / MANIFEST).write_bytes(canonical(made))
    signature = sign_manifest(canonical(made), made, [way.ci], "o/r")
    (tmp_path / "mirror" / "1.2.0" / (MANIFEST + SIGNATURE)).write_bytes(signature)
    with ReleaseServer(tmp_path / "mirror") as server:
        way.configure(f'type = "http"\nurl = "{server.url}"\nrepository = "o/r"\n')
        way.refused("its manifest expired at 2023-12-14")


def test_a_mix_of_components(way: Way):
    """A genuine manifest of another component, and of another repository, by the same key."""
    made = Manifest.model_validate({"version": "1.2.0", "component": "api", "sequence": 1_700_000_200}, strict=False)
    data = canonical(made)
    signature = sign_manifest(data, made, [way.ci], "o/r")
    release = way.job.there.add_release("v1.2.0", {MANIFEST: data, MANIFEST + SIGNATURE: signature})
    for name in (KEYRING, KEYRING + SIGNATURE):
        way.job.there.add_asset(release, name, way.content("1.1.0", name))
    way.refused("signed for the component 'api', not for 'web'")
    data = way.content("1.1.0", MANIFEST)
    same = Manifest.model_validate({"version": "1.1.0", "component": "web", "sequence": 1_700_000_000}, strict=False)
    way.replace("1.1.0", MANIFEST + SIGNATURE, sign_manifest(data, same, [way.ci], "o/other"))
    way.refused("signed for the repository 'o/other', not for 'o/r'", "--version", "1.1.0")


def test_a_malicious_mirror(way: Way, tmp_path: Path):
    """It serves the genuine manifest, and other bytes of the artifact, of the right size."""
    way.mirror(tmp_path / "mirror", "1.1.0")
    artifact = tmp_path / "mirror" / "1.1.0" / "web-1.1.0.tar.gz"
    artifact.write_bytes(bytes(len(artifact.read_bytes())))
    with ReleaseServer(tmp_path / "mirror") as server:
        way.configure(f'type = "http"\nurl = "{server.url}"\nrepository = "o/r"\n')
        before = _snapshot(way.live)
        done = way.fsm("update", "web")
        # The bytes are seen only while they come: the run goes back, and nothing of it was ever live.
        assert done.returncode == 20, done.stdout + done.stderr
        assert "sha256" in done.stdout + done.stderr
        assert _snapshot(way.live) == before


def test_an_endless_manifest(way: Way):
    """More bytes than a manifest may have are not read, let alone parsed."""
    way.replace("1.1.0", MANIFEST, b"#" * (3 << 20))
    way.refused("more than 1048576 bytes")
