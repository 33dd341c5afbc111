"""`fsm release build`: what it makes, and what it refuses to make it of."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.cli.run import run
from fsm.formats.manifest import parse
from fsm.formats.sums import parse_sums, sums
from fsm.release.build import build
from fsm.release.hashing import hash_files
from fsm.release.problems import ReleaseError
from fsm.system.digest import BLOCK
from tests.unit.release.conftest import Repository

TWO = """\
components:
  - name: web
    type: python_app
    artifacts:
      - {path: dist/*.tar.gz, platform: linux-x86_64}
  - name: web-api
    type: container
    images: ["registry.example/team/api:{version}"]
    update_steps:
      - {action: update_compose, image_tag: "{version}"}
"""


@pytest.mark.processes
def test_a_manifest_says_what_the_description_and_the_files_say(repository: Repository):
    """Sizes and digests are those of the files, the version is everywhere that it is wanted."""
    manifest = parse(build(repository.options()).manifests["update-manifest.yaml"], "m")
    data = (repository.root / "dist/web-1.2.0.tar.gz").read_bytes()
    assert (str(manifest.version), manifest.component, manifest.component_type) == ("1.2.0", "web", "python_app")
    assert manifest.notes == "Answers faster."
    assert str(getattr(manifest.post_update_checks[0], "expected_version")) == "1.2.0"  # noqa: B009 - one of a union
    (artifact,) = manifest.artifacts
    assert (artifact.name, artifact.size) == ("web-1.2.0.tar.gz", len(data))
    assert artifact.sha256 == f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.processes
def test_a_second_run_writes_the_same_bytes(repository: Repository, tmp_path: Path):
    """Also into the directory of the artifacts, with a pattern that matches the first run's output."""
    repository.describe(TWO.replace("dist/*.tar.gz", "dist/*"))
    written = []
    for _ in range(2):
        built = build(repository.options(styles=("bsd", "files", "sha512"), resolve_images=False))
        paths = built.write(repository.root / "dist")
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    assert {"SHA256SUMS", "SHA512SUMS", "SHA256SUMS.bsd", "web-1.2.0.tar.gz.sha256"} <= set(written[0])


@pytest.mark.processes
@pytest.mark.needs_linux
def test_coreutils_believe_the_sums(repository: Repository):
    """Every style that is made is checked by the program that it is made for."""
    build(repository.options(styles=("bsd", "files", "sha512"))).write(repository.root / "dist")
    names = {"sha256sum": ("SHA256SUMS", "SHA256SUMS.bsd", "web-1.2.0.tar.gz.sha256"), "sha512sum": ("SHA512SUMS",)}
    for program, lists in names.items():
        for name in lists:
            subprocess.run([program, "--check", "--strict", name], cwd=repository.root / "dist", check=True)


@pytest.mark.processes
def test_several_components_have_a_manifest_each(repository: Repository):
    """With the component's name in the file's name; an image becomes a step for those who read it."""
    repository.describe(TWO)
    manifests = build(repository.options(resolve_images=False)).manifests
    assert list(manifests) == ["update-manifest-web.yaml", "update-manifest-web-api.yaml"]
    steps = parse(manifests["update-manifest-web-api.yaml"], "m").update_steps
    assert [step.action for step in steps] == ["pull_image", "update_compose"]
    assert parse(manifests["update-manifest-web.yaml"], "m").artifacts[0].platform == "linux-x86_64"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("v1.2.0", ["update-manifest-web.yaml", "update-manifest-web-api.yaml"]),
        ("web/v1.2.0", ["update-manifest.yaml"]),
        ("web-api-1.2.0", ["update-manifest.yaml"]),
    ],
)
def test_a_tag_says_version_and_component(
    tag: str, names: list[str], repository: Repository, monkeypatch: pytest.MonkeyPatch
):
    """That of GitHub's variable, without its `v`."""
    monkeypatch.setenv("GITHUB_REF", f"refs/tags/{tag}")
    repository.describe(TWO)
    built = build(repository.options(version=None, resolve_images=False))
    assert str(built.prepared.decided.version) == "1.2.0"
    assert list(built.manifests) == names


@pytest.mark.parametrize(
    ("name", "text", "given", "message"),
    [
        ("VERSION", "1.3.0\n", {"tag": "v1.2.0"}, "VERSION: the tag says 1.2.0, VERSION says 1.3.0"),
        ("package.json", '{"version": "1.3"}', {}, "package.json: --version says 1.2.0, package.json says 1.3"),
        ("package.json", "{", {}, "package.json: its version cannot be read"),
        ("pyproject.toml", '[project]\nversion = "2"', {}, "pyproject.toml: --version says 1.2.0"),
        ("VERSION", "latest", {}, "VERSION: 'latest' is not a version"),
        ("other", "", {"version": None}, "the version is unknown"),
        ("other", "", {"tag": "latest"}, "the tag 'latest' does not name a version"),
        ("other", "", {"version": "newest"}, "'newest' is not a version"),
    ],
)
def test_a_version_that_is_not_agreed_upon_is_refused(
    name: str, text: str, given: dict[str, str], message: str, repository: Repository
):
    """Before anything is made."""
    repository.write(name, text.encode())
    assert message in str(repository.refusal(**given))


@pytest.mark.processes
def test_files_that_agree_are_enough(repository: Repository):
    """Without tag and option the repository says its version."""
    repository.write("VERSION", b"1.2.0\n")
    repository.write("package.json", b'{"version": "1.2"}')
    assert str(build(repository.options(version=None)).prepared.decided.version) == "1.2"


def test_what_cannot_be_an_artifact_is_refused(repository: Repository):
    """With the line of the pattern that found it."""
    dist = repository.root / "dist"
    (dist / "b.tar.gz").symlink_to("web-1.2.0.tar.gz")
    refused = repository.refusal()
    assert refused.spot.line == 5
    assert "is a symbolic link" in str(refused)
    (dist / "b.tar.gz").unlink()
    repository.write("dist/b.tar.gz", b"")
    assert "b.tar.gz is empty" in str(repository.refusal())
    (dist / "b.tar.gz").rename(dist / "a\nb.tar.gz")
    assert "is not a plain file name" in str(repository.refusal())
    (dist / "a\nb.tar.gz").unlink()
    repository.describe("components: [{name: a, type: b, artifacts: [{path: dist}]}]")
    assert "is not a plain file" in str(repository.refusal())
    repository.describe("components: [{name: a, type: b, artifacts: [{path: build/*}]}]")
    assert "'build/*' matches no file; build first" in str(repository.refusal())


@pytest.mark.processes
def test_a_pattern_passes_over_directories(repository: Repository):
    """They lie between the files that it means."""
    repository.write("dist/sub/b.tar.gz")
    repository.describe("components: [{name: a, type: b, artifacts: [{path: dist/**}]}]")
    names = [each.name for each in build(repository.options()).prepared.found]
    assert names == ["b.tar.gz", "web-1.2.0.tar.gz"]


@pytest.mark.processes
def test_two_files_of_one_name_are_refused(repository: Repository):
    """Also where only the case of letters differs, and across components; the same file twice is no such thing."""
    repository.write("a/x.bin")
    repository.write("b/X.bin")
    repository.describe(
        "components:\n- {name: a, type: t, artifacts: [{path: a/*}, {path: a/x.bin}]}\n"
        "- {name: b, type: t, artifacts: [{path: b/*}]}"
    )
    assert "would be one artifact of the release" in str(repository.refusal())
    (repository.root / "b/X.bin").rename(repository.root / "b/y.bin")
    assert len(build(repository.options()).prepared.found) == 2
    repository.describe("components: [{name: a, type: t, artifacts: [{path: a/*}, {path: a/x.bin, platform: linux}]}]")
    assert "would be one artifact" in str(repository.refusal())


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Appended to, or replaced: the digest would be of nothing that ever was."""
    path = tmp_path / "a"
    real = hashlib.new

    def meddling(change):
        def new(name: str, *args, **kwargs):
            change()
            return real(name, *args, **kwargs)

        monkeypatch.setattr(hashlib, "new", new)

    def replace() -> None:
        (tmp_path / "b").write_bytes(b"0")
        (tmp_path / "b").replace(path)

    for change in (lambda: path.write_bytes(b"longer"), replace, path.unlink):
        path.write_bytes(b"1")
        meddling(change)
        with pytest.raises(ReleaseError, match="changed while it was read"):
            hash_files([path])


def test_what_cannot_be_hashed_is_refused(tmp_path: Path):
    """A file that is gone, and one that is none."""
    with pytest.raises(ReleaseError, match="cannot be read: No such file"):
        hash_files([tmp_path / "gone"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReleaseError, match="is not a plain file"):
        hash_files([tmp_path / "pipe"])


def test_every_digest_is_that_of_hashlib(tmp_path: Path):
    """Across the borders of blocks, for each algorithm, whatever the number of threads."""
    paths = []
    for size in (0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 7):
        path = tmp_path / str(size)
        path.write_bytes(os.urandom(size))
        paths.append(path)
    for threads in (1, 4):
        found = hash_files([*paths, paths[0]], ("sha256", "sha512"), threads=threads)
        for path in paths:
            data = path.read_bytes()
            assert found[path].size == len(data)
            assert found[path].digests == {
                "sha256": hashlib.sha256(data).hexdigest(),
                "sha512": hashlib.sha512(data).hexdigest(),
            }


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9 ._()=*-]{0,20}[A-Za-z0-9]", fullmatch=True), st.binary()))
def test_the_reader_of_hosts_reads_every_style(contents: dict[str, bytes]):
    """`parse_sums` gives back what was written."""
    digests = {name: {"sha256": hashlib.sha256(data).hexdigest()} for name, data in contents.items()}
    expected = {name: f"sha256:{each['sha256']}" for name, each in digests.items()}
    made = sums(digests, ("bsd",))
    for name in ("SHA256SUMS", "SHA256SUMS.bsd") if contents else ():
        assert parse_sums(made[name].decode()) == expected


@pytest.mark.processes
def test_notes_must_be_text_of_some_length(repository: Repository):
    """And be there."""
    notes = repository.root / "NOTES.md"
    notes.write_bytes(b"\xff")
    assert "NOTES.md is not UTF-8" in str(repository.refusal())
    notes.write_bytes(b"a" * (300 << 10))
    assert "has more than" in str(repository.refusal())
    notes.unlink()
    refused = repository.refusal()
    assert "NOTES.md cannot be read" in str(refused)
    assert refused.spot.line == 6


@pytest.mark.processes
def test_too_much_for_a_manifest_is_refused(repository: Repository):
    """What each key allows by itself, a manifest may not."""
    for number in range(201):
        repository.write(f"many/{number}")
    repository.describe("components: [{name: a, type: t, artifacts: [{path: many/*}]}]")
    assert "its manifest would be wrong: artifacts" in str(repository.refusal())


@pytest.mark.processes
def test_the_command_prints_what_it_made(repository: Repository, capsys: pytest.CaptureFixture[str]):
    """A table for people; an output that cannot be written is an error."""
    call = ["release", "build", "--description", str(repository.root), "--version", "1.2.0", "--output"]
    assert run([*call, str(repository.root / "out")]) == 0
    shown = capsys.readouterr().out
    assert "web-1.2.0.tar.gz" in shown
    assert "1.2.0: wrote update-manifest.yaml, SHA256SUMS to" in shown
    assert run([*call, str(repository.description)]) == 20
    assert "cannot be written" in capsys.readouterr().err
