"""Releases in a local directory: the embedded default, a USB stick, a network mount.

The layout is that of `fsm.sources.layout`. Nothing outside of the directory is read: a link in it is refused, as is
everything that is no regular file, whatever it points to, and what was opened is asked, not the name that it had. (The
directory itself may be a link: the host names it.)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from fsm.errors import FsmError, NotReady, SourceError, Transient
from fsm.formats.artifacts import Artifact
from fsm.formats.releases import Release
from fsm.formats.trust.belief import Trust
from fsm.sources.base import MANIFEST_LIMIT, Announced, Cached, Check, Listing, Notices, Progress, versioned
from fsm.sources.download import Body, Download
from fsm.sources.layout import announce, build
from fsm.sources.part import CHUNK
from fsm.sources.specs import DirectorySpec
from fsm.system import regular
from fsm.system.regular import Irregular

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
_FINAL: Final = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL})


class DirectorySource:
    """The releases of one component in a directory.

    Args:
        spec: the configuration.
        component: whose releases they are.
        trust: whose signatures their manifests must have, if any.
    """

    def __init__(self, spec: DirectorySpec, component: str, trust: Trust | None = None) -> None:
        self._spec = spec
        self._component = component
        self._trust = trust
        self._root = Path(os.path.abspath(spec.path))

    def releases(self, cached: Cached | None = None) -> Listing:
        """The folders of the directory whose names are versions. There is nothing to cache."""
        if not self._root.is_dir():
            todo = "correct the path of the component's source, or mount it"
            raise SourceError(f"cannot list the releases in {self._root}", "there is no such directory", todo)
        with _errors(self._root), regular.reached(self._root) as listed, os.scandir(listed) as every:
            entries = sorted(every, key=lambda entry: entry.name)
            links = [entry.name for entry in entries if entry.is_symlink()]
            folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        found, warnings = versioned((name for name in folders if not name.startswith(".")), str(self._root))
        if links:
            warnings += (f"{self._root} has links, ignored: {', '.join(links)[:200]}",)
        announced: list[Announced] = []
        for tag, version in found.items():
            try:
                release, warning = announce(_Folder(self._root, tag), tag, version)
            except SourceError as error:
                release, warning = None, f"{error}, ignored"
            announced += [release] if release else []
            warnings += (warning,) if warning else ()
        return Listing(releases=tuple(announced), warnings=warnings)

    def release(self, announced: Announced) -> Release:
        """What lies in the release's folder."""
        found, _ = versioned([announced.tag], str(self._root))
        if not found:
            raise SourceError(
                f"cannot read {announced.tag!r} in {self._root}", "it is not a version", "see `fsm check`"
            )
        return build(announced, _Folder(self._root, announced.tag), self._spec, self._component, self._trust)

    def notices(self) -> Notices:
        """What lies beside the releases' folders."""
        return Notices.of(_Folder(self._root).read)

    def fetch(self, artifact: Artifact, dest: Path, *, check: Check, progress: Progress) -> None:
        """Copy an artifact to `dest`, resumable and verified like a download."""
        path = self._inside(artifact)

        @contextmanager
        def open_body(offset: int, validator: str | None) -> Iterator[Body]:
            with _opened(self._root, path) as fd:
                with _errors(path):
                    about = os.fstat(fd)
                    now = f"{about.st_size}-{about.st_mtime_ns}-{about.st_ino}"
                    start = offset if now == validator and offset <= about.st_size else 0
                    os.lseek(fd, start, os.SEEK_SET)
                yield Body(start, about.st_size, now, _chunks(fd, path, about), served=False)

        Download(artifact, dest, open_body, self._spec.max_artifact_mb, check, progress).run()

    def _inside(self, artifact: Artifact) -> Path:
        """The path that an artifact's URL stands for, below the root."""
        parts = urlsplit(artifact.url)
        path = _path(parts.path)
        if parts.scheme != "file" or parts.netloc or ".." in path.parts or not path.is_relative_to(self._root):
            raise SourceError(
                f"cannot fetch {artifact.name}",
                f"it is not in {self._root}",
                "the source's path was changed since the plan was made: cancel the run and update again",
            )
        return path


class _Folder:
    """One release's folder, or that of all."""

    def __init__(self, root: Path, tag: str = "") -> None:
        self._root = root
        self._path = root / tag
        self.where = f"{tag} in {root}"

    def read(self, name: str) -> bytes | None:
        try:
            with _opened(self._root, self._path / name) as fd, _errors(self._path / name):
                found = b""
                while len(found) <= MANIFEST_LIMIT and (chunk := os.read(fd, MANIFEST_LIMIT + 1 - len(found))):
                    found += chunk
                return found
        except NotReady:
            return None

    def names(self) -> tuple[str, ...] | None:
        with _errors(self._path):
            return regular.names_beneath(self._root, self._path.relative_to(self._root))

    def locate(self, artifact: Artifact) -> str:
        """A relative URL is a path in the folder; of an absolute one only the name counts: the file is here."""
        relative = artifact.url if artifact.url and "://" not in artifact.url else artifact.name
        return self._path.joinpath(*relative.split("/")).as_uri()

    def size(self, artifact: Artifact) -> int | None:
        path = _path(urlsplit(artifact.url).path)
        with _opened(self._root, path) as fd, _errors(path):
            return os.fstat(fd).st_size


def _path(quoted: str) -> Path:
    """What `Path.as_uri` made a URL of."""
    if os.name == "nt":  # pragma: no cover - Windows only
        from urllib.request import url2pathname  # noqa: PLC0415 - 30 ms, and the same as unquote elsewhere

        return Path(url2pathname(quoted))
    return Path(unquote(quoted))


@contextmanager
def _opened(root: Path, path: Path) -> Iterator[int]:
    """A regular file below `root`, open for reading; a pipe or a device is refused, not waited for."""
    with ExitStack() as stack:
        with _errors(path):
            fd = stack.enter_context(regular.beneath(root, path.relative_to(root)))
        yield fd


def _chunks(fd: int, path: Path, about: os.stat_result) -> Iterator[bytes]:
    """The bytes of a file that nobody writes to meanwhile; `about` is what it was before."""
    while True:
        with _errors(path):
            chunk, now = os.read(fd, CHUNK), os.fstat(fd)
        if not chunk:
            return
        if now.st_size == about.st_size and now.st_mtime_ns != about.st_mtime_ns:
            raise Transient(f"cannot read {path}", "it changed while it was read", "the next attempt may succeed")
        yield chunk


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turn what the file system throws while reading into this package's errors."""
    try:
        yield
    except OSError as error:
        raise _converted(error, path) from error


def _converted(error: OSError, path: Path) -> FsmError:
    what, why = f"cannot read {path}", error.strerror or str(error)
    if isinstance(error, Irregular):
        return SourceError(what, why, "put the file itself there; nothing was changed")
    why = why.lower()
    if error.errno in _GONE:
        return NotReady(what, why, "is the disk mounted, and the release complete? try again later")
    if error.errno in _FINAL:
        return SourceError(what, why, "correct the path or its permissions")
    return Transient(what, why, "the next attempt may succeed")
