"""An exception in a worker that nobody foresaw, as the engine raises it."""

from __future__ import annotations


class Bug(Exception):
    """Something that is wrong in an adapter; each kind of exception has a class of its own name.

    Attributes:
        where: file and line.
    """

    where: str = ""
