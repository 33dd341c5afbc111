"""A resumable, verified download, the same for every source.

The source opens a `Body` at an offset; everything else happens here: what to do with an earlier part, how much may
come, the digest, durability. The order: refuse what has no digest or is too large; leave a file that is whole; go on
with a part; verify; rename. A resumed part whose digest is wrong is thrown away and fetched once from its beginning,
because the part may be what is broken (a power cut, a source without validators).

Who is to blame decides whether the version is tried again by itself. An `IntegrityError` says: the release. So it is
raised only for bytes that came whole, from the release, and differ from what the release says of them. What broke off,
what a proxy or a captive portal put in the file's place, and what was changed since the plan was made is something
else: `docs/reference/errors.md` has the table, and `tests/unit/sources/test_blame.py` each of its rows.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.errors import FsmError, IntegrityError, NotReady, SourceError, StepFailed, Transient
from fsm.formats.artifacts import Artifact
from fsm.sources.base import Check, Progress
from fsm.sources.part import Part, is_whole
from fsm.system import regular

_FULL: Final = {getattr(errno, "EDQUOT", -1): "the disk quota is used up", errno.ENOSPC: "the disk is full"}
_LATER: Final = "it may be whole later; try again then"

NOTHING: Final = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of no bytes."""

_PAGES: Final = frozenset({"text/html", "application/xhtml+xml", "application/json", "application/problem+json"})
_PAGE_ENDINGS: Final = (".html", ".htm", ".xhtml", ".json")


@dataclass(frozen=True)
class Body:
    """An opened artifact.

    Attributes:
        start: the offset of its first byte: the one asked for, or 0 if the source begins anew.
        total: bytes of the whole artifact, where the source says so.
        validator: what the source calls this version of the bytes (an ETag).
        chunks: the bytes; raises this package's errors, never another's.
        hint: what the source says it is (a media type), for a message.
        ends: whether the last chunk is the end of the body for sure, and not perhaps that of the connection.
        encoding: how the source has encoded the bytes, by what it says; empty if it has not.
        served: whether a server sent it, which may have sent a page instead; a file is what it is.
    """

    start: int
    total: int | None
    validator: str | None
    chunks: Iterator[bytes]
    hint: str = ""
    ends: bool = False
    encoding: str = ""
    served: bool = True


@dataclass(frozen=True)
class _Came:
    """What a source has sent of an artifact.

    Attributes:
        body: how it was sent.
        expected: the bytes that the whole should have, where somebody has said so.
        short, long: whether it ended before them, or went on behind them.
    """

    body: Body
    expected: int | None
    short: bool = False
    long: bool = False

    @property
    def whole(self) -> bool:
        """Whether this is all that there is, for sure: a connection may break off where no length is known."""
        return self.long or (not self.short and (self.expected is not None or self.body.ends))


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
            "neither the manifest nor the source has its sha256",
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
            part.resume(self.check)
            if not part.is_right:
                self._transfer(part)
            part.commit()

    def _transfer(self, part: Part) -> None:
        """Go on with the part, or begin anew, until all the bytes are there and right."""
        size = self.artifact.size
        if size is not None and part.size >= size:
            part.restart(None)
        resumed = part.size > 0
        came = self._receive(part)
        if resumed and came.whole and not part.is_right:
            part.restart(None)
            came = self._receive(part)
        if came.short or not part.is_right:
            raise self._wrong(part, came)

    def _receive(self, part: Part) -> _Came:
        """Append what the source sends; what to make of it is decided afterwards.

        Raises:
            Transient, NotReady, SourceError: it sends something else, or breaks off.
        """
        with self.open_body(part.size, part.validator) as body, _discarding(part):
            expected = self._expected(body)
            if body.start == 0:
                part.restart(body.validator)
            self.progress(part.size, expected)
            for chunk in body.chunks:
                self.check()
                if expected is not None and part.size + len(chunk) > expected:
                    return _Came(body, expected, long=True)
                self._refuse_too_large(part.size + len(chunk))
                part.append(chunk)
                self.progress(part.size, expected)
            return _Came(body, expected, short=expected is not None and part.size < expected)

    def _expected(self, body: Body) -> int | None:
        """How many bytes the whole will have; refuses before the first one when the source tells of others.

        What the plan knows of the size was true when it was made: a release whose sizes are wrong never gets that far.
        """
        declared, told = self.artifact.size, body.total
        self._refuse_too_large(told)
        what = f"cannot fetch {self.artifact.name}"
        if told == 0 and declared is None and self.artifact.sha256 != NOTHING:
            raise NotReady(what, "it is empty so far", _LATER)
        if declared is None or told is None or told == declared:
            return told if declared is None else declared
        if is_page(body.hint, self.artifact.name):
            raise self._page()
        if body.encoding:
            raise self._encoded(body.encoding)
        if told < declared:
            raise NotReady(what, f"it has {told} of {declared} bytes so far", _LATER)
        why = f"it has {told} bytes now, {declared} when the plan was made"
        raise SourceError(what, why, "it was changed since: update again")

    def _wrong(self, part: Part, came: _Came) -> FsmError:
        """What to make of bytes that are not the artifact; a part that the next try can go on from stays."""
        instead = self._something_else(part.path, came)
        if instead is None and not came.whole and not part.is_right:
            of = f" of {came.expected} bytes" if came.short else " bytes, and nothing tells whether that is all"
            why = f"the transfer ended after {part.size}{of}"
            return Transient(f"cannot download {self.artifact.name} yet", why, "the next attempt continues from there")
        part.discard()
        return instead or self._broken(part.size, came)

    def _something_else(self, path: Path, came: _Came) -> FsmError | None:
        """The error where the bytes are not the release's: a proxy's, a captive portal's, of two versions of a file."""
        if came.body.served and looks_like_a_page(path, came.body.hint, self.artifact.name):
            return self._page()
        if came.body.encoding and (came.whole or came.body.ends):
            return self._encoded(came.body.encoding)
        if came.long and came.body.total is not None:
            return Transient(f"cannot fetch {self.artifact.name}", "it changed while it was read", "try again")
        return None

    def _broken(self, size: int, came: _Came) -> IntegrityError:
        """The error where all came that there is, and the release says that it should be something else."""
        why = f"its sha256 is not {self.artifact.sha256}"
        if came.long:
            why = f"it is longer than the {came.expected} bytes promised"
        elif came.short:
            why = f"it has {size} bytes, {came.expected} were promised"
        return IntegrityError(f"cannot use {self.artifact.name}", why, "the release is broken, nothing was changed")

    def _page(self) -> Transient:
        why = "what came is a page, not the file"
        todo = "log in to the network if it asks for that, or wait until the server is back"
        return Transient(f"cannot fetch {self.artifact.name}", why, todo)

    def _encoded(self, encoding: str) -> SourceError:
        why = f"the server encodes it with {encoding}, although it was asked not to"
        return SourceError(f"cannot fetch {self.artifact.name}", why, "ask those who run it, or the proxy before it")

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
            raise StepFailed(what, why, "the partial file was removed; free some space, then update again") from error
        finally:
            part.close()

    def _missing(self, part: Part) -> str:
        """How much was missing, as far as that is known."""
        if self.artifact.size is None:
            return f"{part.size} bytes had arrived"
        needed, free = self.artifact.size - part.size, shutil.disk_usage(self.dest.parent).free
        return f"{needed} more bytes were needed" + (f" and {free} are free" if free < needed else "")


@contextmanager
def _discarding(part: Part) -> Iterator[None]:
    """Remove the part when what comes cannot be gone on with; network troubles leave it."""
    try:
        yield
    except (NotReady, SourceError):
        part.discard()
        raise


def is_page(hint: str, name: str) -> bool:
    """Whether a media type says that this is a page for people or programs, and the file's name does not."""
    return hint in _PAGES and not name.lower().endswith(_PAGE_ENDINGS)


def looks_like_a_page(path: Path, hint: str, name: str) -> bool:
    """Whether bytes begin as a page does, with or without a media type that says so, and the file's name does not."""
    if name.lower().endswith(_PAGE_ENDINGS):
        return False
    with regular.beneath(path.parent, path.name) as descriptor:
        start = os.read(descriptor, 512).removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html")) or (hint in _PAGES and start[:1] in (b"<", b"{", b"["))
