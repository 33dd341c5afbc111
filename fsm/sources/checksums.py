"""Digests for artifacts that no manifest describes: ``SHA256SUMS``, else ``<asset>.sha256``."""

from __future__ import annotations

from functools import cached_property
from typing import Final, Protocol

from fsm.errors import IntegrityError
from fsm.formats.sums import parse_sums
from fsm.sources.base import MANIFEST_LIMIT

SUMS: Final = "SHA256SUMS"
SIDECAR: Final = ".sha256"


class Readable(Protocol):
    """Something that has small files."""

    @property
    def where(self) -> str:
        """What a message calls it."""

    def read(self, name: str) -> bytes | None:
        """A small file, cut after `MANIFEST_LIMIT` + 1 bytes; None if there is none."""


class Checksums:
    """The checksum files of one release; each is read once, and only when it is needed."""

    def __init__(self, shelf: Readable) -> None:
        self._shelf = shelf

    def of(self, name: str) -> str | None:
        """The digest of a file, or None if no checksum file gives one.

        Raises:
            IntegrityError: a checksum file is unreadable, or a sidecar speaks of another file.
        """
        return self._all.get(name) or self._sidecar(name)

    @cached_property
    def _all(self) -> dict[str, str]:
        return self._parse(SUMS) or {}

    def _sidecar(self, name: str) -> str | None:
        sums = self._parse(name + SIDECAR)
        if sums is None:
            return None
        found = sums.get(name) or sums.get("")
        if found is None:
            raise self._unusable(name + SIDECAR, f"it is about {', '.join(sorted(sums))[:100]}")
        return found

    def _parse(self, file: str) -> dict[str, str] | None:
        data = self._shelf.read(file)
        if data is None:
            return None
        if len(data) > MANIFEST_LIMIT:
            raise self._unusable(file, f"it is longer than {MANIFEST_LIMIT} bytes")
        try:
            return parse_sums(data.decode("utf-8", "replace"))
        except IntegrityError as error:
            raise self._unusable(file, error.why) from error

    def _unusable(self, file: str, why: str) -> IntegrityError:
        return IntegrityError(
            f"cannot use {file} of {self._shelf.where}", why, "the release is broken, nothing was changed"
        )
