"""What every source does, whether the releases are in a directory, behind an index, behind a listing or on GitHub.

Where a release must be a folder the test asks for `folder_source`; `test_github.py` has GitHub's counterpart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsm.errors import IntegrityError, ManifestError, NotReady, SourceError
from fsm.model import Version
from fsm.sources import Announced, Source
from tests.unit.sources.conftest import ARCHIVE, Depot, nothing, sha256, unseen

pytestmark = pytest.mark.processes

AnySource = Callable[..., Source]


def announced(tag: str) -> Announced:
    """A release as a list would have it."""
    return Announced(version=Version(tag), tag=tag)


def test_releases_have_version_flags_and_notes(depot: Depot, any_source: AnySource):
    """Every folder that is a version is announced, with what its release.json says."""
    depot.add("1.0.0")
    depot.add("v1.1.0", prerelease=True, notes="try it")
    depot.add("2.0.0", draft=True)
    found = {release.tag: release for release in any_source().releases().releases}
    assert set(found) == {"1.0.0", "v1.1.0", "2.0.0"}
    assert found["v1.1.0"].version == Version("1.1.0")
    assert (found["v1.1.0"].prerelease, found["v1.1.0"].notes) == (True, "try it")
    assert found["2.0.0"].draft
    assert not found["1.0.0"].draft


def test_names_that_are_no_version_are_left_out_by_name(depot: Depot, any_source: AnySource):
    """A folder that is no version is no release, and the warning names it."""
    depot.add("1.0.0")
    depot.add("latest")
    listing = any_source().releases()
    assert [release.tag for release in listing.releases] == ["1.0.0"]
    assert "'latest'" in " ".join(listing.warnings)


def test_many_odd_names_make_one_short_warning(depot: Depot, any_source: AnySource):
    """A hundred odd names do not flood the terminal."""
    for number in range(9):
        depot.add(f"odd-{number}", {})
    listing = any_source().releases()
    assert listing.releases == ()
    assert "and 4 more" in listing.warnings[0]


def test_an_empty_source_announces_nothing(depot: Depot, any_source: AnySource):
    """No release is no error."""
    assert any_source().releases().releases == ()


def test_release_with_manifest(depot: Depot, folder_source: AnySource):
    """The manifest says which artifacts there are; URL and size are completed, other files are not artifacts."""
    folder = depot.declare("1.2.0", {"name": "app.tar.gz", "sha256": sha256(ARCHIVE)}, notes="from the manifest")
    (folder / "app.tar.gz").write_bytes(ARCHIVE)
    (folder / "unrelated.bin").write_bytes(b"x")
    release = folder_source().release(announced("1.2.0"))
    assert release.manifest is not None
    assert release.warnings == ()
    assert release.notes == "from the manifest"
    (artifact,) = release.artifacts
    assert (artifact.name, artifact.size, artifact.sha256) == ("app.tar.gz", len(ARCHIVE), sha256(ARCHIVE))
    assert artifact.url.endswith("/1.2.0/app.tar.gz")
    assert "://" in artifact.url


def test_release_without_manifest_uses_the_listing_and_the_sums(depot: Depot, any_source: AnySource):
    """Without a manifest every file is an artifact that is no description, signature or hidden file."""
    folder = depot.add("1.0.0")
    (folder / "NOTES.md").write_text("from the notes")
    for name in ("app.tar.gz.asc", ".hidden", "SHA256SUMS.sig"):
        (folder / name).write_text("x")
    release = any_source().release(announced("1.0.0"))
    assert release.manifest is None
    assert [artifact.name for artifact in release.artifacts] == ["app.tar.gz"]
    assert release.artifacts[0].size == len(ARCHIVE)
    assert release.notes == "from the notes"
    assert "has no update-manifest.yaml" in release.warnings[0]


def test_digest_from_a_sidecar(depot: Depot, any_source: AnySource):
    """`<asset>.sha256` is enough, with or without the file's name in it."""
    folder = depot.add("1.0.0", {"a.whl": b"a", "b.whl": b"b"})
    (folder / "SHA256SUMS").unlink()
    (folder / "a.whl.sha256").write_text(f"{sha256(b'a')[7:]}\n")
    (folder / "b.whl.sha256").write_text(f"{sha256(b'b')[7:]}  b.whl\n")
    release = any_source().release(announced("1.0.0"))
    assert [artifact.sha256 for artifact in release.artifacts] == [sha256(b"a"), sha256(b"b")]


def test_no_hash_refuse(depot: Depot, any_source: AnySource):
    """An artifact that nobody gives a digest for is refused, and the message says what to publish."""
    (depot.add("1.0.0") / "SHA256SUMS").unlink()
    with pytest.raises(IntegrityError, match=r"app\.tar\.gz\.sha256 with the release"):
        any_source().release(announced("1.0.0"))


@pytest.mark.parametrize("text", ["<html>404</html>", "", f"{'0' * 64}  other.whl\n", "x" * (1 << 20) + "y"])
def test_broken_sidecar_is_refused(depot: Depot, any_source: AnySource, text: str):
    """A sidecar that is a page, empty, about another file or endless is refused with its name."""
    folder = depot.add("1.0.0", {"a.whl": b"a"})
    (folder / "SHA256SUMS").unlink()
    (folder / "a.whl.sha256").write_text(text)
    with pytest.raises(IntegrityError, match=r"cannot use a\.whl\.sha256 of "):
        any_source().release(announced("1.0.0"))


def test_malformed_manifest_is_a_warning(depot: Depot, any_source: AnySource):
    """A manifest that cannot be read means the built-in procedure, with a warning that says why."""
    folder = depot.add("1.0.0")
    (folder / "update-manifest.yaml").write_text("version: [")
    release = any_source().release(announced("1.0.0"))
    assert release.manifest is None
    assert len(release.artifacts) == 1
    assert "the built-in procedure is used" in release.warnings[0]


def test_oversize_manifest_is_malformed(depot: Depot, any_source: AnySource):
    """A manifest beyond 1 MiB is not read to its end."""
    folder = depot.add("1.0.0")
    (folder / "update-manifest.yaml").write_text("version: 1.0.0\nnotes: " + "x" * (1 << 20))
    assert any_source().release(announced("1.0.0")).manifest is None
    with pytest.raises(ManifestError):
        any_source(require_manifest=True).release(announced("1.0.0"))


def test_required_manifest(depot: Depot, any_source: AnySource):
    """Where one is required, a missing manifest means "not ready", a malformed one is an error."""
    folder = depot.add("1.0.0")
    with pytest.raises(NotReady, match=r"no update-manifest\.yaml yet"):
        any_source(require_manifest=True).release(announced("1.0.0"))
    (folder / "update-manifest.yaml").write_text("nonsense: true")
    with pytest.raises(ManifestError):
        any_source(require_manifest=True).release(announced("1.0.0"))


@pytest.mark.parametrize("keys", [{"version": "1.0.1"}, {"component": "other"}])
def test_manifest_of_something_else(depot: Depot, any_source: AnySource, keys: dict[str, str]):
    """A readable manifest about another version or component is an error, required or not."""
    depot.add("1.0.0")
    depot.declare("1.0.0", **keys)
    with pytest.raises(ManifestError, match=r"it is about .*(1\.0\.1|other)"):
        any_source().release(announced("1.0.0"))


def test_build_metadata_is_the_same_version(depot: Depot, any_source: AnySource):
    """A manifest may write its version another way."""
    depot.add("v1.0")
    depot.declare("v1.0", version="1.0.0+build5")
    assert any_source().release(announced("v1.0")).manifest is not None


def test_artifacts_not_there_yet(depot: Depot, folder_source: AnySource):
    """Announced, but the files of the manifest come later: not ready; half uploaded: not ready."""
    folder = depot.declare("1.2.0", {"name": "app.tar.gz", "sha256": sha256(ARCHIVE), "size": len(ARCHIVE)})
    with pytest.raises(NotReady, match=r"app\.tar\.gz"):
        folder_source().release(announced("1.2.0"))
    (folder / "app.tar.gz").write_bytes(ARCHIVE[:1000])
    with pytest.raises(NotReady, match=f"1000 of {len(ARCHIVE)} bytes so far"):
        folder_source().release(announced("1.2.0"))
    (folder / "app.tar.gz").write_bytes(ARCHIVE)
    assert folder_source().release(announced("1.2.0")).artifacts[0].size == len(ARCHIVE)


def test_empty_folder_is_not_ready(depot: Depot, any_source: AnySource):
    """A release without manifest and without files is not ready."""
    depot.add("1.0.0", {})
    with pytest.raises(NotReady, match="no artifact yet"):
        any_source().release(announced("1.0.0"))


def test_manifest_without_artifacts(depot: Depot, any_source: AnySource):
    """A release of a container has a manifest and no file; that is complete."""
    depot.declare("1.0.0")
    assert any_source().release(announced("1.0.0")).artifacts == ()


def test_pattern_picks_artifacts(depot: Depot, any_source: AnySource):
    """`artifact` picks among the files of a listing, whatever the others are."""
    folder = depot.add("1.0.0", {"app-arm.zip": b"a", "app-x86.zip": b"x"})
    (folder / "no-digest.txt").write_text("ignored")
    release = any_source(artifact="app-x*.zip").release(announced("1.0.0"))
    assert [artifact.name for artifact in release.artifacts] == ["app-x86.zip"]
    with pytest.raises(NotReady, match=r"no file that matches 'app-mips\*' yet"):
        any_source(artifact="app-mips*").release(announced("1.0.0"))


def test_too_many_files(depot: Depot, any_source: AnySource):
    """A folder with hundreds of files is no release, unless a pattern picks among them."""
    depot.add("1.0.0", {f"{number}.whl": b"x" for number in range(201)})
    with pytest.raises(SourceError, match="it has 201 files, more than the 200"):
        any_source().release(announced("1.0.0"))
    assert len(any_source(artifact="7.whl").release(announced("1.0.0")).artifacts) == 1


def test_pattern_and_platform_pick_declared_artifacts(depot: Depot, any_source: AnySource):
    """Artifacts of a manifest for other platforms are not asked for, and none for this one is an error."""
    folder = depot.declare(
        "1.0.0",
        {"name": "here.zip", "sha256": sha256(b"h")},
        {"name": "there.zip", "sha256": sha256(b"t"), "platform": "plan9"},
    )
    (folder / "here.zip").write_bytes(b"h")
    assert [artifact.name for artifact in any_source().release(announced("1.0.0")).artifacts] == ["here.zip"]
    with pytest.raises(SourceError, match=r"matches 'there\*'; it has here\.zip, there\.zip"):
        any_source(artifact="there*").release(announced("1.0.0"))


def test_unusable_file_names_are_left_out(depot: Depot, any_source: AnySource):
    """A file that starts with a minus sign becomes no artifact, and is named."""
    depot.add("1.0.0", {"-rf.zip": b"x", "good.zip": b"y"})
    release = any_source().release(announced("1.0.0"))
    assert [artifact.name for artifact in release.artifacts] == ["good.zip"]
    assert "-rf.zip" in release.warnings[1]


def test_names_with_odd_characters(depot: Depot, any_source: AnySource, tmp_path: Path):
    """Spaces, percent and hash signs in names arrive as they are."""
    depot.add("1.0.0+build.1", {"my app #1 100%.zip": b"data"})
    source = any_source()
    (listed,) = source.releases().releases
    (artifact,) = source.release(listed).artifacts
    source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)
    assert (tmp_path / "got").read_bytes() == b"data"


def test_unsafe_tag_is_never_used_as_a_path(depot: Depot, any_source: AnySource):
    """A tag that could leave the folder is refused before anything is read."""
    bad = Announced(version=Version("1.0"), tag="1.0+/../../etc")
    with pytest.raises(SourceError, match="it is not a version"):
        any_source().release(bad)


def test_fetch(depot: Depot, any_source: AnySource, tmp_path: Path):
    """The artifact arrives whole, with progress, and nothing else stays; a second call leaves it alone."""
    depot.add("1.0.0")
    source, dest, seen = any_source(), tmp_path / "got.tar.gz", []
    (artifact,) = source.release(announced("1.0.0")).artifacts
    source.fetch(artifact, dest, check=nothing, progress=lambda done, total: seen.append((done, total)))
    assert dest.read_bytes() == ARCHIVE
    assert seen[0] == (0, len(ARCHIVE))
    assert seen[-1] == (len(ARCHIVE), len(ARCHIVE))
    before = dest.stat().st_mtime_ns
    source.fetch(artifact, dest, check=nothing, progress=unseen)
    assert dest.stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depot", "got.tar.gz"]


def test_fetch_goes_on_where_it_stopped(depot: Depot, any_source: AnySource, tmp_path: Path):
    """A check that stops the transfer leaves a part, and the next call begins there."""
    depot.add("1.0.0")
    source, dest, seen = any_source(), tmp_path / "got", []

    class Stop(Exception):
        """Raised by the check, as an interrupt would be."""

    def stop_later() -> None:
        if (tmp_path / "got.part").exists() and (tmp_path / "got.part").stat().st_size:
            raise Stop

    (artifact,) = source.release(announced("1.0.0")).artifacts
    with pytest.raises(Stop):
        source.fetch(artifact, dest, check=stop_later, progress=unseen)
    had = (tmp_path / "got.part").stat().st_size
    assert 0 < had < len(ARCHIVE)
    source.fetch(artifact, dest, check=nothing, progress=lambda done, total: seen.append(done))
    assert seen[0] == had
    assert dest.read_bytes() == ARCHIVE


def test_fetch_of_changed_bytes(depot: Depot, folder_source: AnySource, tmp_path: Path):
    """Other bytes than promised are refused, longer or not, and no part stays."""
    folder = depot.add("1.0.0")
    source, dest = folder_source(), tmp_path / "got"
    (artifact,) = source.release(announced("1.0.0")).artifacts
    (folder / "app.tar.gz").write_bytes(ARCHIVE[::-1])
    with pytest.raises(IntegrityError, match="its sha256 is not sha256:"):
        source.fetch(artifact, dest, check=nothing, progress=unseen)
    (folder / "app.tar.gz").write_bytes(ARCHIVE + b"more")
    with pytest.raises(SourceError, match=f"{len(ARCHIVE) + 4} bytes now, {len(ARCHIVE)} when the plan was made"):
        source.fetch(artifact, dest, check=nothing, progress=unseen)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depot"]


def test_an_artifact_that_is_longer_than_declared(depot: Depot, any_source: AnySource):
    """What the source tells of a size is compared when the release is chosen, before any run begins."""
    folder = depot.declare("1.2.0", {"name": "app.tar.gz", "sha256": sha256(ARCHIVE), "size": len(ARCHIVE)})
    (folder / "app.tar.gz").write_bytes(ARCHIVE + b"more")
    with pytest.raises(IntegrityError, match=f"{len(ARCHIVE) + 4} bytes"):
        any_source().release(announced("1.2.0"))


def test_fetch_of_a_missing_artifact(depot: Depot, folder_source: AnySource, tmp_path: Path):
    """An artifact that is gone is not ready."""
    folder = depot.add("1.0.0")
    source = folder_source()
    (artifact,) = source.release(announced("1.0.0")).artifacts
    (folder / "app.tar.gz").unlink()
    with pytest.raises(NotReady):
        source.fetch(artifact, tmp_path / "got", check=nothing, progress=unseen)


def test_fetch_without_a_digest(depot: Depot, any_source: AnySource, tmp_path: Path):
    """Not even asked for: no hash, refuse."""
    depot.add("1.0.0")
    source = any_source()
    (artifact,) = source.release(announced("1.0.0")).artifacts
    bare = artifact.model_copy(update={"sha256": None})
    with pytest.raises(IntegrityError, match="has its sha256"):
        source.fetch(bare, tmp_path / "got", check=nothing, progress=unseen)


def test_fetch_beyond_the_limit_of_the_host(depot: Depot, any_source: AnySource, tmp_path: Path):
    """What is larger than `max_artifact_mb` is refused before a byte comes, declared or told."""
    folder = depot.add("1.0.0", {"big.zip": b"x" * (1 << 20) + b"y"})
    source = any_source(max_artifact_mb=1)
    (artifact,) = source.release(announced("1.0.0")).artifacts
    for size in (artifact.size, None):
        with pytest.raises(SourceError, match="larger than 1 MiB"):
            source.fetch(artifact.model_copy(update={"size": size}), tmp_path / "got", check=nothing, progress=unseen)
    (folder / "big.zip").unlink()
    assert not (tmp_path / "got.part").exists()
