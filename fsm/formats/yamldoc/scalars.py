"""What an unquoted scalar means: the core schema of YAML 1.2, https://yaml.org/spec/1.2.2/#103-core-schema."""

from __future__ import annotations

import re
from typing import Final

MAX_DIGITS: Final = 400
"""Longer numbers are refused: turning them into a number and back costs the square of their length."""

_NULL: Final = re.compile(r"null|Null|NULL|~|")
_TRUE: Final = re.compile(r"true|True|TRUE")
_FALSE: Final = re.compile(r"false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_NAN: Final = re.compile(r"\.(?:nan|NaN|NAN)")


def resolve(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means by the core schema of YAML 1.2.

    Raises:
        ValueError: a number of more than `MAX_DIGITS` characters.
    """
    for pattern, value in ((_NULL, None), (_TRUE, True), (_FALSE, False), (_NAN, float("nan"))):
        if pattern.fullmatch(text):
            return value
    if infinite := _INFINITE.fullmatch(text):
        return float(f"{infinite[1]}inf")
    if not _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        return text
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text)


def kind(value: object) -> str:
    """What sort of value this is, in words: ``a number``, ``a list``."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return "empty" if value is None else names.get(type(value), "a mapping")
