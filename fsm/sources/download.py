"""A resumable, verified download, the same for every source.

The source opens a `Body` at an offset; everything else happens here: what to do with an earlier part, how much may
come, the digest, durability. The order: refuse what has no digest or is too large; leave a file that is whole; go on
with a part; verify; rename. A resumed part whose digest is wrong is thrown away and fetched once from its beginning,
because the part may be what is broken (a power cut, a source without validators); then the release is to blame.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.errors import FsmError, IntegrityError, SourceError, StepFailed, Transient
from fsm.formats.manifest import Artifact
from fsm.sources.base import Check, Progress
from fsm.sources.part import Part, is_whole

_FULL: Final = {getattr(errno, "EDQUOT", -1): "the disk quota is used up", errno.ENOSPC: "the disk is full"}
_BROKEN: Final = "the release or its server is broken, nothing was changed"


@dataclass(frozen=True)
class Body:
    """An opened artifact.

    Attributes:
        start: the offset of its first byte: the one asked for, or 0 where the source begins anew.
        total: bytes of the whole artifact, where the source says so.
        validator: what the source calls this version of the bytes (an ETag).
        chunks: the bytes; raises this package's errors, never another's.
        hint: what the source says it is (a media type), for a message.
        ends: whether the last chunk is the end of the artifact for sure, and not perhaps that of the connection.
    """

    start: int
    total: int | None
    validator: str | None
    chunks: Iterator[bytes]
    hint: str = ""
    ends: bool = False


OpenBody = Callable[[int, str | None], AbstractContextManager[Body]]
"""Opens an artifact: `(offset, validator of the bytes before it)`."""


def digest_of(artifact: Artifact) -> str:
    """The artifact's digest.

    Raises:
        IntegrityError: it has none; without one, nothing is installed.
    """
    if artifact.sha256 is None:
        raise IntegrityError(
            f"cannot use {artifact.name}",
            "neither the manifest nor the source gives its sha256",
            f"publish SHA256SUMS or {artifact.name}.sha256 with the release",
        )
    return artifact.sha256


@dataclass(frozen=True)
class Download:
    """What `fsm.sources.base.Source.fetch` promises, for a source that can open a `Body`.

    Attributes:
        artifact: with digest, and size in bytes where known.
        dest: the file to make.
        open_body: opens the artifact at an offset.
        max_mb: MiB that may come at most.
        check, progress: as for `fetch`.
    """

    artifact: Artifact
    dest: Path
    open_body: OpenBody
    max_mb: int
    check: Check
    progress: Progress

    def run(self) -> None:
        """Bring the artifact; raises as `fetch` does."""
        wanted = digest_of(self.artifact)
        self._refuse_too_large(self.artifact.size)
        part = Part(self.dest, wanted)
        with self._local_errors(part):
            if is_whole(self.dest, sha256=wanted, size=self.artifact.size, check=self.check):
                part.settle()
                return
            self._transfer(part)
            if part.is_right:
                part.commit()
                return
            looks = _looks(part.path)
            part.discard()
        raise IntegrityError(f"cannot use {self.artifact.name}", f"its sha256 is not {wanted}{looks}", _BROKEN)

    def _transfer(self, part: Part) -> None:
        """Go on with the part, or begin anew, until all the bytes are there, right or wrong."""
        size = self.artifact.size
        part.resume(self.check)
        if part.is_right:
            return
        if size is not None and part.size >= size:
            part.restart(None)
        resumed = part.size > 0
        self._receive(part)
        if resumed and not part.is_right:
            part.restart(None)
            self._receive(part)

    def _receive(self, part: Part) -> None:
        """Append what the source sends.

        Raises:
            IntegrityError, SourceError: it sends another number of bytes than promised, or too many; the part goes.
            Transient: it stopped in the middle; the part stays.
        """
        with self.open_body(part.size, part.validator) as body, _discarding(part):
            expected = self._expected(body)
            if body.start == 0:
                part.restart(body.validator)
            self.progress(part.size, expected)
            for chunk in body.chunks:
                self.check()
                self._refuse_overflow(part.size + len(chunk), expected)
                part.append(chunk)
                self.progress(part.size, expected)
            if expected is not None and part.size < expected:
                raise self._short(part.size, expected, body)

    def _short(self, size: int, expected: int, body: Body) -> FsmError:
        """The error for a transfer that ended too soon."""
        if body.ends:
            return self._wrong_size(size, expected, body)
        return Transient(
            f"cannot download {self.artifact.name} yet",
            f"the transfer ended after {size} of {expected} bytes",
            "the next try goes on from there",
        )

    def _wrong_size(self, size: int, expected: int, body: Body) -> IntegrityError:
        hint = f" ({body.hint})" if body.hint else ""
        return IntegrityError(
            f"cannot use {self.artifact.name}", f"it has {size} bytes{hint}, {expected} were promised", _BROKEN
        )

    def _expected(self, body: Body) -> int | None:
        """How many bytes the whole will have; refuses before the first one when that is wrong already."""
        declared, told = self.artifact.size, body.total
        if declared is not None and told is not None and told != declared:
            raise self._wrong_size(told, declared, body)
        self._refuse_too_large(told)
        return told if declared is None else declared

    def _refuse_overflow(self, size: int, expected: int | None) -> None:
        if expected is None:
            self._refuse_too_large(size)
        elif size > expected:
            raise IntegrityError(
                f"cannot use {self.artifact.name}", f"it is longer than the {expected} bytes promised", _BROKEN
            )

    def _refuse_too_large(self, size: int | None) -> None:
        if size is not None and size > self.max_mb << 20:
            raise SourceError(
                f"cannot download {self.artifact.name}",
                f"it is larger than {self.max_mb} MiB, the limit of this host",
                "raise max_artifact_mb of the component's source if that is right; nothing was changed",
            )

    @contextmanager
    def _local_errors(self, part: Part) -> Iterator[None]:
        """Turn what the local file system throws into this package's errors; let go of the part in every case."""
        what = f"cannot save {self.artifact.name} in {self.dest.parent}"
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                todo = "make that directory writable for the updater, then update again"
                raise StepFailed(what, (error.strerror or str(error)).lower(), todo) from error
            why = f"{_FULL[error.errno]}, {self._missing(part)}"
            part.discard()
            raise StepFailed(what, why, "the part was removed; free some space, then update again") from error
        finally:
            part.close()

    def _missing(self, part: Part) -> str:
        """How much was missing, as far as that is known."""
        if self.artifact.size is None:
            return f"{part.size} bytes had come"
        needed, free = self.artifact.size - part.size, shutil.disk_usage(self.dest.parent).free
        return f"{needed} more bytes were needed" + (f" and {free} are free" if free < needed else "")


@contextmanager
def _discarding(part: Part) -> Iterator[None]:
    """Remove the part when what comes is not what was promised; network troubles leave it."""
    try:
        yield
    except (IntegrityError, SourceError):
        part.discard()
        raise


def _looks(path: Path) -> str:
    """What the wrong bytes look like, when that explains them."""
    with path.open("rb") as stream:
        start = stream.read(512).lstrip().lower()
    return " (it is an HTML page)" if start.startswith((b"<!doctype html", b"<html")) else ""
