"""GitHub as a source, against the fake GitHub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fsm.errors import ConfigError, IntegrityError, ManifestError, NotReady, SourceError, Transient
from fsm.sources import Announced, Source, open_source, sharing
from tests.github.fake import FakeGitHub
from tests.github.state import Repository
from tests.servers import Fault
from tests.unit.sources.conftest import ARCHIVE, nothing, sha256, spec_of, unseen

pytestmark = pytest.mark.processes

LIST = "/repos/o/r/releases"
Open = Callable[..., Source]


def manifest(version: str, **keys: Any) -> bytes:
    """A manifest with one artifact."""
    artifact = {"name": "app.tar.gz", "sha256": sha256(ARCHIVE), "size": len(ARCHIVE), **keys}
    return json.dumps({"version": version, "component": "core", "artifacts": [artifact]}).encode()


def files(version: str, **keys: Any) -> dict[str, bytes]:
    """A release's files."""
    return {"update-manifest.yaml": manifest(version, **keys), "app.tar.gz": ARCHIVE}


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """GitHub."""
    with FakeGitHub() as running:
        yield running


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    """An empty, public repository."""
    return github.add_repository("o/r")


@pytest.fixture
def source(github: FakeGitHub, repository: Repository) -> Open:
    """Opens its source, with options."""

    def open_it(**options: Any) -> Source:
        keys = {"repository": "o/r", "api_url": github.api_url, "timeout": 5.0, **options}
        return open_source(spec_of(type="github", **keys), component="core")

    return open_it


def only(source: Source) -> Announced:
    """The one release that is announced."""
    (found,) = source.releases().releases
    return found


@pytest.mark.parametrize("ghes", [False, True])
def test_the_whole_way_of_a_private_repository(ghes: bool, tmp_path: Path):
    """List, manifest, artifact: by the asset API, with a token that the storage never sees; on GHES, too."""
    with FakeGitHub(ghes=ghes) as github:
        github.add_repository("o/r", private=True).add_release("v1.2.0", files("1.2.0"), body="new")
        (tmp_path / "token").write_text(f"{github.read_token}\n")
        keys = {"repository": "o/r", "api_url": github.api_url, "token_file": tmp_path / "token"}
        source = open_source(spec_of(type="github", **keys), component="core")
        release = source.release(only(source))
        (artifact,) = release.artifacts
        assert (release.notes, artifact.size) == ("new", len(ARCHIVE))
        source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
        assert (tmp_path / "got").read_bytes() == ARCHIVE
        keys["token_file"] = tmp_path / "none"
        with pytest.raises(ConfigError, match="no such file"):
            open_source(spec_of(type="github", **keys), component="core").releases()
        del keys["token_file"]
        with pytest.raises(SourceError, match=r"404 \(Not Found\): it does not exist, or the token may not read it"):
            open_source(spec_of(type="github", **keys), component="core").releases()


def test_releases_are_listed_with_their_marks(
    repository: Repository, github: FakeGitHub, source: Open, monkeypatch: Any
):
    """Drafts and pre-releases say so, a draft hides no published release, names that are no version are named."""
    repository.add_release("v1.0.0")
    repository.add_release("v1.0.0", draft=True)
    repository.add_release("v2.0.0", draft=True)
    repository.add_release("v1.1.0", prerelease=True)
    repository.add_release("nightly")
    repository.add_release("fsm-withdrawn-1", prerelease=True)
    monkeypatch.setenv("FSM_TEST_TOKEN", github.token)
    listing = source(token_env="FSM_TEST_TOKEN").releases()
    marks = {each.tag: (each.draft, each.prerelease) for each in listing.releases}
    assert marks == {"v1.0.0": (False, False), "v2.0.0": (True, False), "v1.1.0": (False, True)}
    assert listing.warnings == ("o/r has names that are not versions, ignored: 'nightly'",)


def test_a_monorepo_has_a_prefix_for_each_component(repository: Repository, source: Open):
    """Tags of other components are none of this one's releases, and no reason to warn."""
    repository.add_release("web/v1.0.0", files("1.0.0"))
    repository.add_release("api/v2.0.0")
    listing = source(tag_prefix="web/").releases()
    assert [(each.tag, str(each.version)) for each in listing.releases] == [("web/v1.0.0", "v1.0.0")]
    assert listing.warnings == ()
    assert source(tag_prefix="web/").release(listing.releases[0]).artifacts[0].name == "app.tar.gz"


def test_several_manifests_under_one_tag(repository: Repository, source: Open):
    """`manifest` names the one of this component."""
    found = files("1.0.0")
    found["update-manifest-core.yaml"] = found.pop("update-manifest.yaml")
    repository.add_release("v1.0.0", found)
    assert source(manifest="update-manifest-core.yaml").release(only(source())).manifest is not None
    with pytest.raises(NotReady, match=r"no update-manifest\.yaml yet"):
        source().release(only(source()))


def test_an_unchanged_list_costs_nothing(repository: Repository, github: FakeGitHub, source: Open):
    """Every page is asked conditionally; a change on any page is seen, and another repository's answer not used."""
    for number in range(101):
        repository.add_release(f"v1.{number}.0")
    first = source().releases()
    used = github.limits.used
    again = source().releases(first.to_cache())
    assert (again.not_modified, again.releases, github.limits.used) == (True, first.releases, used)
    oldest = repository.release("v1.0.0")
    assert oldest is not None
    oldest.prerelease = True
    changed = source().releases(first.to_cache())
    assert not changed.not_modified
    assert next(each for each in changed.releases if each.tag == "v1.0.0").prerelease
    github.add_repository("o/other")
    assert source(repository="o/other").releases(first.to_cache()).releases == ()


def test_a_rate_limit_is_shown_and_the_known_answer_kept(repository: Repository, github: FakeGitHub, source: Open):
    """With the time of its end; the warning goes when the limit does; without a known answer it is an error."""
    repository.add_release("v1.0.0")
    first = source().releases()
    github.limits.remaining = 0
    limited = source().releases(first.to_cache())
    assert limited.releases == first.releases
    (warning,) = limited.warnings
    assert "the answer is that of an earlier check: the rate limit of 127.0.0.1 is used up until" in warning
    (again,) = source().releases(limited.to_cache()).warnings
    assert again.partition(" until ")[0] == warning.partition(" until ")[0]  # the second may be another by now
    with pytest.raises(Transient) as caught:
        source().releases()
    assert 3000 < (caught.value.after or 0) <= 3600
    github.limits.remaining = 9
    assert source().releases(limited.to_cache()).warnings == ()


def test_components_of_one_repository_share_a_question(repository: Repository, github: FakeGitHub, source: Open):
    """Within one check; afterwards it is asked again. A host that refuses is not asked for the next repository."""
    repository.add_release("web-v1.0.0")
    github.add_repository("o/other")
    with sharing():
        assert len(source(tag_prefix="web-").releases().releases) == 1
        with sharing():
            assert len(source(tag_prefix="api-").releases().releases) == 0
    assert len(github.asked(LIST)) == 1
    github.limits.secondary = 2
    with sharing():
        for name in ("o/r", "o/other"):
            with pytest.raises(Transient, match="rate limit"):
                source(repository=name).releases()
    assert github.limits.secondary == 1
    github.limits.secondary = 0
    with sharing(), pytest.raises(SourceError, match="404"):
        source(repository="o/none").releases()


def test_what_is_not_complete_is_not_ready(repository: Repository, source: Open):
    """No manifest, half an upload, an artifact that is still to come, a release that was taken back."""
    release = repository.add_release("v1.0.0")
    announced = only(source())
    with pytest.raises(NotReady, match=r"no update-manifest\.yaml yet"):
        source().release(announced)
    repository.add_asset(release, "update-manifest.yaml", manifest("1.0.0"))
    with pytest.raises(NotReady, match="not among the release's files"):
        source().release(announced)
    half = repository.add_asset(release, "app.tar.gz", None)
    with pytest.raises(NotReady, match="its upload is not complete"):
        source().release(announced)
    del release.assets[half.id]
    repository.add_asset(release, "app.tar.gz", ARCHIVE)
    assert source().release(announced).artifacts[0].size == len(ARCHIVE)
    del repository.list[release.id]
    with pytest.raises(NotReady, match="it does not exist, or this token may not read it"):
        source().release(announced)


def test_an_asset_that_was_replaced_is_found_out(repository: Repository, source: Open, github: FakeGitHub):
    """By GitHub's own digest, before a byte of it is fetched; the message has both."""
    release = repository.add_release("v1.0.0", files("1.0.0"))
    old = release.named("app.tar.gz")
    assert old is not None
    del release.assets[old.id]
    repository.add_asset(release, "app.tar.gz", b"other")
    with pytest.raises(IntegrityError, match=f"changed under the same tag.*{sha256(b'other')}.*{sha256(ARCHIVE)}"):
        source().release(only(source()))
    assert [each.path for each in github.storage.requests if "app.tar.gz" in each.path] == []


def test_a_manifest_names_files_of_its_release_only(repository: Repository, github: FakeGitHub, source: Open):
    """By name or as a browser would; another address is refused."""
    page = f"{github.places.html}/o/r/releases/download/v1.0.0/app.tar.gz"
    repository.add_release("v1.0.0", files("1.0.0", url=page))
    (artifact,) = source().release(only(source())).artifacts
    assert "/releases/assets/" in artifact.url
    repository.add_release("v2.0.0", files("2.0.0", url="https://example.com/app.tar.gz"))
    newest = source().releases().releases[0]
    with pytest.raises(ManifestError, match=r"https://example\.com/app\.tar\.gz is not a file of that release"):
        source().release(newest)
    with pytest.raises(SourceError, match="is not a file of a release of o/r"):
        source().fetch(artifact.model_copy(update={"url": page}), Path("x"), check=nothing, progress=unseen)


def test_a_release_without_manifest_by_choice(repository: Repository, source: Open):
    """Its files are the artifacts, those about releases are not, and SHA256SUMS has the digests."""
    sums = f"{sha256(ARCHIVE)[7:]}  app.tar.gz\n".encode()
    extra = {"fsm-keyring.yaml": b"k", "update-manifest-other.yaml": b"m", "SHA256SUMS": sums}
    release = repository.add_release("v1.0.0", {"app.tar.gz": ARCHIVE, **extra})
    repository.add_asset(release, "half.bin", None)
    found = source(require_manifest=False).release(only(source()))
    assert [(each.name, each.sha256) for each in found.artifacts] == [("app.tar.gz", sha256(ARCHIVE))]


@pytest.mark.parametrize("fault", [Fault(cut_after=300_000, times=1), Fault(cut_after=300_000, reset=True, times=1)])
def test_a_cut_download_goes_on(repository: Repository, github: FakeGitHub, source: Open, tmp_path: Path, fault: Fault):
    """From where it was, at a new address of the storage; what is wrong in the end is refused."""
    release = repository.add_release("v1.0.0", files("1.0.0"))
    asset = release.named("app.tar.gz")
    assert asset is not None
    (artifact,) = source().release(only(source())).artifacts
    github.storage.fault(f"/{asset.id}/app.tar.gz", fault)
    with pytest.raises(Transient):
        source().fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    source().fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    assert (tmp_path / "got").read_bytes() == ARCHIVE
    ranges = [each.headers.get("range") for each in github.storage.asked(f"/{asset.id}/app.tar.gz")]
    assert ranges[0] is None
    assert (ranges[1] or "").startswith("bytes=")
    asset.path.write_bytes(ARCHIVE[::-1])
    with pytest.raises(IntegrityError, match="its sha256 is not"):
        source().fetch(artifact, tmp_path / "other", check=nothing, progress=unseen)


def test_errors_during_a_download(repository: Repository, github: FakeGitHub, source: Open, tmp_path: Path):
    """A limit of the API is to be waited for, trouble at the storage is worth another try, a size cap holds."""
    repository.add_release("v1.0.0", files("1.0.0"))
    (artifact,) = source().release(only(source())).artifacts
    github.limits.secondary = 1
    with pytest.raises(Transient, match="rate limit"):
        source().fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    github.storage.fault("*", Fault(status=503, times=1))
    with pytest.raises(Transient, match="answered 503"):
        source().fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    repository.list.clear()
    with pytest.raises(NotReady, match="is not there"):
        source().fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    large = artifact.model_copy(update={"size": 2 << 20})
    with pytest.raises(SourceError, match="larger than 1 MiB"):
        source(max_artifact_mb=1).fetch(large, tmp_path / "got", check=nothing, progress=unseen)


@pytest.mark.parametrize(
    ("fault", "error", "why"),
    [
        (Fault(status=500), Transient, "answered 500"),
        (Fault(status=451), SourceError, "answered 451"),
        (Fault(drop=True), Transient, "was cut"),
        (Fault(cut_after=20), Transient, "cut"),
        (Fault(body=b'{"no": "list"}'), SourceError, "cannot understand"),
        (Fault(status=403, body=b"<html>"), SourceError, "the token may not do that"),
    ],
)
def test_answers_that_are_none(
    repository: Repository, github: FakeGitHub, source: Open, fault: Fault, error: type[Exception], why: str
):
    """Each is one of this package's errors, for the list and for a release."""
    repository.add_release("v1.0.0", files("1.0.0"))
    announced, known = only(source()), source().releases().to_cache()
    github.fault("*", fault)
    with pytest.raises(error, match=why):
        source().releases()
    with pytest.raises(error, match=why):
        source().release(announced)
    if fault.status or fault.drop:  # a 304 has no body to be broken
        with pytest.raises(error, match=why):
            source().releases(known)


def test_the_token_may_be_a_credential_of_systemd(
    repository: Repository, source: Open, tmp_path: Path, monkeypatch: Any
):
    """Without credentials the message says which line the unit lacks; a token is never shown."""
    with pytest.raises(ConfigError, match="LoadCredential=gh:"):
        source(token_credential="gh").releases()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "gh").write_text("ghp_expired")
    with pytest.raises(SourceError, match="does not accept the token") as caught:
        source(token_credential="gh").releases()
    assert "ghp_expired" not in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"repository": "o/.."},
        {"repository": "https://github.com/o/r"},
        {"api_url": "http://example.com/api/v3"},
        {"api_url": "https://example.com/?x=1"},
        {"token_env": "A", "token_file": "/x"},
    ],
)
def test_what_the_configuration_must_not_say(keys: dict[str, str]):
    """Another path of the API, plain http, two tokens."""
    with pytest.raises(ValidationError):
        spec_of(type="github", **{"repository": "o/r", **keys})
