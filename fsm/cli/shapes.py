"""The ``--json`` shapes that only the command line has; the others are the typed results of the library."""

from __future__ import annotations

from fsm.model import Model


class ErrorParts(Model):
    """An error that ended the command, in ``{"schema": 1, "error": {...}}``.

    Attributes:
        type: the class, see the reference of errors.
        code: the exit code.
        message: the line on standard error.
        what: what could not be done.
        why: the reason.
        todo: what to do next.
    """

    type: str
    code: int
    message: str
    what: str
    why: str
    todo: str


class Verified(Model):
    """The journal's chain of hashes.

    Attributes:
        rows: how many there are.
        problems: what is wrong, one sentence each; empty when the chain is whole.
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
