"""Releases on disk, and the same releases through every kind of source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fsm.sources import Source, SourceSpec, open_source
from tests.github.fake import FakeGitHub
from tests.servers import ReleaseServer

ARCHIVE = bytes(range(256)) * 2000
"""Half a megabyte that stands for an archive: two chunks of a download."""


def sha256(data: bytes) -> str:
    """The digest as manifests write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def nothing() -> None:
    """A check that never stops anything."""


def unseen(done: int, total: int | None) -> None:
    """A progress that nobody looks at."""


class Depot:
    """A folder of releases for tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def add(self, version: str, files: dict[str, bytes] | None = None, **flags: Any) -> Path:
        """A release with these files, their SHA256SUMS and, where there are flags, a release.json."""
        folder = self.root / version
        folder.mkdir()
        files = {"app.tar.gz": ARCHIVE} if files is None else files
        for name, data in files.items():
            (folder / name).write_bytes(data)
        if files:
            sums = "".join(f"{sha256(data)[7:]}  {name}\n" for name, data in files.items())
            (folder / "SHA256SUMS").write_text(sums)
        if flags:
            (folder / "release.json").write_text(json.dumps(flags))
        return folder

    def declare(self, version: str, /, *artifacts: dict[str, Any], **keys: Any) -> Path:
        """A release with a manifest only; files and sums are the caller's."""
        folder = self.root / version
        folder.mkdir(exist_ok=True)
        document = {"version": version, "component": "core", "artifacts": list(artifacts), **keys}
        (folder / "update-manifest.yaml").write_text(json.dumps(document))
        return folder

    def index(self) -> None:
        """Write the index.json that says what is there now."""
        releases = []
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir()):
            flags = folder / "release.json"
            files = sorted(path.name for path in folder.iterdir())
            about = json.loads(flags.read_text()) if flags.exists() else {}
            releases.append({"version": folder.name, "files": files, **about})
        (self.root / "index.json").write_text(json.dumps({"releases": releases}))


def spec_of(**keys: Any) -> SourceSpec:
    """A spec as the configuration makes it."""
    adapter: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)
    return adapter.validate_json(json.dumps(keys, default=str))


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """An empty folder for releases."""
    return Depot(tmp_path / "depot")


@pytest.fixture
def server(depot: Depot) -> Iterator[ReleaseServer]:
    """The depot on HTTP."""
    with ReleaseServer(depot.root) as running:
        yield running


@pytest.fixture
def web_source(server: ReleaseServer) -> Callable[..., Source]:
    """Opens the depot's HTTP source, with options."""

    def open_it(**options: Any) -> Source:
        return open_source(spec_of(type="http", url=server.url, **{"timeout": 5.0, **options}), component="core")

    return open_it


def _put_on_github(depot: Depot, github: FakeGitHub) -> None:
    """Make the releases of a repository those of the depot."""
    repository = github.add_repository("o/r")
    for folder in sorted(path for path in depot.root.iterdir() if path.is_dir()):
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        about = json.loads(files.pop("release.json", b"{}"))
        notes = about.pop("notes", "") or files.get("NOTES.md", b"").decode()
        repository.add_release(folder.name, files, body=notes, **about)


FOLDERS = ("directory", "index", "python", "nginx", "apache")
"""The kinds of sources whose releases are folders."""


@pytest.fixture(params=FOLDERS)
def folder_source(request: pytest.FixtureRequest, depot: Depot) -> Iterator[Callable[..., Source]]:
    """Opens the depot through each kind of source that has folders, with options; call it when the depot is filled."""
    yield from _in_folders(request.param, depot)


@pytest.fixture(params=[*FOLDERS, "github"])
def any_source(
    request: pytest.FixtureRequest, depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Source]]:
    """As `folder_source`, and on GitHub as well, where a release is no folder."""
    if request.param == "github":
        yield from _on_github(depot, monkeypatch)
    else:
        yield from _in_folders(request.param, depot)


def _on_github(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Source]]:
    with FakeGitHub() as github:
        monkeypatch.setenv("FSM_TEST_TOKEN", github.token)
        keys = {"repository": "o/r", "api_url": github.api_url, "token_env": "FSM_TEST_TOKEN"}

        def open_it(**options: Any) -> Source:
            _put_on_github(depot, github)
            spec = spec_of(type="github", **{**keys, "require_manifest": False, **options})
            return open_source(spec, component="core")

        yield open_it


def _in_folders(kind: Any, depot: Depot) -> Iterator[Callable[..., Source]]:
    if kind == "directory":
        yield lambda **options: open_source(spec_of(type="directory", path=depot.root, **options), component="core")
        return
    with ReleaseServer(depot.root, listing=None if kind == "index" else kind) as running:

        def open_it(**options: Any) -> Source:
            if kind == "index":
                depot.index()
            return open_source(spec_of(type="http", url=running.url + "/", timeout=5.0, **options), component="core")

        yield open_it
