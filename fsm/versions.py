"""Versions, ordered as people mean them. No pydantic here: `fsm status` compares versions without loading it."""

from __future__ import annotations

import re
from functools import total_ordering
from typing import TYPE_CHECKING, Any, Final

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core.core_schema import CoreSchema


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` is of a pattern (``$`` alone would let a last line break pass)."""
    return re.fullmatch(pattern, text) is not None


_BUILD: Final = r"[0-9A-Za-z.+_-]*"
"""What may follow a ``+``: no separator, no control character, because versions become names of directories."""

_LABELLED = re.compile(r"^v?(\d+(?:\.\d+)*)-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)$")


@total_ordering
class Version:
    """A version that can be ordered, as people write it.

    PEP 440 decides (https://packaging.python.org/en/latest/specifications/version-specifiers/): a leading ``v`` means
    nothing, ``1.0`` equals ``1.0.0``, ``rc9 < rc10``. Build metadata (``+anything``) makes no other version. A
    pre-release label that PEP 440 does not know (``3.0.0-poc``, https://semver.org rule 9) sorts below every other
    form of that release, among its like by SemVer rule 11.

    Args:
        text: the version, at most 128 characters.

    Raises:
        ValueError: the text is no version by either rule.
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        public, _, build = self.text.partition("+")
        if not public or len(self.text) > 128 or not matches(_BUILD, build):
            raise ValueError(f"{text!r} is not a version")
        try:
            self._key: tuple[Pep440, tuple[tuple[int, int, str], ...]] = (Pep440(public), ())
        except InvalidVersion:
            match = _LABELLED.match(public)
            if match is None:
                raise ValueError(f"{text!r} is not a version; write it like 1.4.0, 2.0.0rc1 or 3.0.0-poc") from None
            self._key = (Pep440(f"{match[1]}.dev0"), tuple(_label(part) for part in match[2].split(".")))

    @classmethod
    def parse(cls, text: str | None) -> Version | None:
        """The version that a text holds, or None if it holds none: unknown stays unknown."""
        try:
            return cls(text) if text else None
        except ValueError:
            return None

    @property
    def is_prerelease(self) -> bool:
        """Whether this is an alpha, beta, candidate, development or labelled version."""
        return self._key[0].is_prerelease

    @property
    def pep440(self) -> Pep440:
        """What stands for this version where specifiers are matched; ``3.0.0-poc`` counts as ``3.0.0.dev0``."""
        return self._key[0]

    @property
    def canonical(self) -> str:
        """One spelling for all equal versions, e.g. ``1.2`` for ``v1.2.0+build7``; for use as a key."""
        base, labels = self._key
        if not labels:
            return _canonical(base)
        label = ".".join(word or str(number) for _, number, word in labels)
        return f"{_canonical(Pep440(base.base_version))}-{label}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415 - who asks for this has loaded it

        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "description": "A version: PEP 440, or SemVer with any pre-release label."}


def _canonical(version: Pep440) -> str:
    """As `packaging.utils.canonicalize_version`, whose import takes 8 ms; local parts never come here."""
    release = ".".join(map(str, version.release))
    while release.endswith(".0"):
        release = release.removesuffix(".0")
    pre = "".join(map(str, version.pre or ()))
    post = "" if version.post is None else f".post{version.post}"
    dev = "" if version.dev is None else f".dev{version.dev}"
    return f"{f'{version.epoch}!' if version.epoch else ''}{release}{pre}{post}{dev}"


def _label(part: str) -> tuple[int, int, str]:
    """SemVer rule 11: numeric identifiers compare as numbers and sort below words."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)
