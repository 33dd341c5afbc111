"""Image references: ``registry:5000/team/app:1.2@sha256:...``, taken apart and put together.

Grammar: https://pkg.go.dev/github.com/distribution/reference. A name without a registry is one of Docker Hub.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*)(?::[0-9]{1,5}(?=/))?(?:/[a-z0-9][a-z0-9._-]*)*")


class Reference(NamedTuple):
    """An image by name.

    Attributes:
        repository: as it is written.
        tag, digest: empty if it has none.
    """

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference | None:
    """The parts of a reference; None if the text is none."""
    name, at, digest = text.partition("@")
    head, slash, last = name.rpartition("/")
    base, colon, tag = last.partition(":")
    repository = head + slash + base
    if (
        _REPOSITORY.fullmatch(repository) is None
        or (colon and _TAG.fullmatch(tag) is None)
        or (at and _DIGEST.fullmatch(digest) is None)
    ):
        return None
    return Reference(repository, tag, digest)


def canonical(repository: str) -> str:
    """One spelling for all names of a repository: ``nginx`` is ``docker.io/library/nginx``."""
    first, slash, rest = repository.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost"):
        first, rest = "docker.io", repository
    if first in ("index.docker.io", "registry-1.docker.io"):
        first = "docker.io"
    return f"{first}/{rest}" if "/" in rest or first != "docker.io" else f"{first}/library/{rest}"
