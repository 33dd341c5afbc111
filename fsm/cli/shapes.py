"""The ``--json`` shapes that only the command line has; the others are the typed results of the library."""

from __future__ import annotations

from fsm.errors import FsmError
from fsm.formats.trust import Withdrawn
from fsm.model import Model, Text


class ErrorParts(Model):
    """An error that ended the command, in ``{"schema": 1, "error": {...}}``.

    Attributes:
        type: the class, see the reference of errors.
        code: the exit code.
        message: the line on standard error.
        what: what could not be done.
        why: the reason; empty if `what` says it all.
        todo: what to do next; empty if that is nothing.
    """

    type: str
    code: int
    message: str
    what: str
    why: Text
    todo: Text


class Verified(Model):
    """The journal's chain of hashes.

    Attributes:
        rows: how many there are.
        problems: what is wrong, one sentence each; empty when the chain is intact.
        newest_hash: of the last row, hexadecimal; whoever notes it elsewhere sees a forgery of the whole file as well.
    """

    rows: int
    problems: tuple[str, ...] = ()
    newest_hash: str


class UnitText(Model):
    """A unit that would be written.

    Attributes:
        name: of the file.
        text: its content.
    """

    name: str
    text: str


class Written(Model):
    """A file that was written.

    Attributes:
        path: where, absolute.
    """

    path: str


class BuiltFile(Model):
    """An artifact of a release that was built.

    Attributes:
        component: whose it is.
        name: what it is called in the release.
        path: where it lies.
        size: bytes.
        sha256: its digest.
        platform: what it is made for; null means every platform.
    """

    component: str
    name: str
    path: str
    size: int
    sha256: str
    platform: str | None = None


class BuiltRelease(Model):
    """What `fsm release build` made.

    Attributes:
        version: of the release.
        tag: that it has; empty if no tag was given.
        manifests: the path of each component's manifest.
        sums: the paths of the checksum files, `SHA256SUMS` first.
        artifacts: the built files.
        trust: the paths of signatures, and of the keyring with its own.
        signed_by: the ids of the keys that signed; empty if nobody did.
    """

    version: str
    tag: Text
    manifests: dict[str, str]
    sums: tuple[str, ...]
    artifacts: tuple[BuiltFile, ...]
    trust: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()


class WithdrawnVersion(Model):
    """A version that hosts do not install.

    Attributes:
        component: whose; null means every component of the repository.
        version: which.
        why: what hosts show; empty if nobody said.
    """

    component: str | None
    version: str
    why: Text


class WithdrawnList(Model):
    """What `fsm release yank` made.

    Attributes:
        repository: whose.
        sequence: the list's number.
        is_new: whether this call has changed it.
        url: the page of its release; empty with ``--local``.
        withdrawn: every version on it.
    """

    repository: str
    sequence: int
    is_new: bool
    url: Text
    withdrawn: tuple[WithdrawnVersion, ...]

    @classmethod
    def of(cls, listed: Withdrawn, url: str, *, is_new: bool) -> WithdrawnList:
        """A list as the command line shows it."""
        gone = tuple(
            WithdrawnVersion(component=each.component, version=str(each.version), why=each.why)
            for each in listed.withdrawn
        )
        return cls(repository=listed.repository, sequence=listed.sequence, is_new=is_new, url=url, withdrawn=gone)


class ReleaseProblem(Model):
    """Something that is wrong with a release.

    Attributes:
        file: where to correct it; None if that is unknown.
        line: in that file, from 1; None if that is unknown.
        column: in that line, from 1; None if that is unknown.
        message: the line for people.
    """

    file: str | None
    line: int | None
    column: int | None
    message: str

    @classmethod
    def of(cls, error: FsmError) -> ReleaseProblem:
        """An error as the command line shows it."""
        file, line, column = getattr(error, "spot", ("", 0, 0))
        return cls(file=file or None, line=line or None, column=column or None, message=str(error))


class PublishedFile(Model):
    """A file of a release on GitHub.

    Attributes:
        name: of the asset.
        size: bytes.
        sha256: its digest, as built and as GitHub shows it.
        how: `kept`, `uploaded` or `replaced`.
        signed: whether it is a signed manifest, or an artifact whose digest stands in one.
    """

    name: str
    size: int
    sha256: str
    how: str
    signed: bool = False


class PublishedRelease(Model):
    """What `fsm release publish` did.

    Attributes:
        tag: of the release.
        url: its page.
        draft: whether only those who may write see it.
        files: what it has of ours.
        notes: what people should know, one sentence each.
        signed_by: the ids of the keys that signed; empty if nobody did.
        manifests: the path of each component's manifest.
        sums: the paths of the checksum files, `SHA256SUMS` first.
    """

    tag: str
    url: str
    draft: bool
    files: tuple[PublishedFile, ...]
    notes: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    manifests: dict[str, str] = {}
    sums: tuple[str, ...] = ()
