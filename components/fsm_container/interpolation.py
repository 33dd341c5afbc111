"""Variables in a compose file: which characters of a value come from where.

Grammar: https://docs.docker.com/reference/compose-file/interpolation/. Who changes an image's tag must know whether it
stands in the file itself, or is the value of a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS: Final = (":-", ":?", ":+", "-", "?", "+")


class Malformed(ValueError):
    """A text with a ``$`` that does not start a variable."""


@dataclass(frozen=True)
class Piece:
    """A part of a text: characters as they are, or one variable.

    Attributes:
        start: where it begins in the text.
        source: its characters there.
        variable: its name; None for characters that stand for themselves.
        operator: ``:-`` and the like; empty if there is none.
        argument: what follows the operator.
    """

    start: int
    source: str
    variable: str | None = None
    operator: str = ""
    argument: str = ""


@dataclass(frozen=True)
class Segment:
    """What a piece became.

    Attributes:
        text: its value.
        piece: where that came from.
        given: whether the variable itself has that value, and not a default in its place.
    """

    text: str
    piece: Piece
    given: bool = False


def pieces(text: str) -> tuple[Piece, ...]:
    """The parts of a text, in order; together they are the text.

    Raises:
        Malformed: a ``$`` is neither doubled nor followed by a variable.
    """
    found: list[Piece] = []
    position = 0
    while position < len(text):
        dollar = text.find("$", position)
        if dollar != position:
            end = len(text) if dollar < 0 else dollar
            found.append(Piece(position, text[position:end]))
        else:
            found.append(_variable(text, dollar))
        position = found[-1].start + len(found[-1].source)
    return tuple(found)


def _variable(text: str, dollar: int) -> Piece:
    if text.startswith("$$", dollar):
        return Piece(dollar, "$$", None, "$")
    braced = text.startswith("${", dollar)
    name = _NAME.match(text, dollar + 1 + braced)
    if name is None:
        raise Malformed(f"the $ at character {dollar + 1} does not start a variable")
    if not braced:
        return Piece(dollar, text[dollar : name.end()], name[0])
    close = _closing(text, name.end())
    inner = text[name.end() : close]
    operator = next((each for each in _OPERATORS if inner.startswith(each)), "")
    if inner and not operator:
        raise Malformed(f"${{{name[0]}{inner}}} has an unknown form")
    return Piece(dollar, text[dollar : close + 1], name[0], operator, inner[len(operator) :])


def _closing(text: str, position: int) -> int:
    depth = 1
    for index in range(position, len(text)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    raise Malformed("a ${ is not closed")


def segments(text: str, values: Mapping[str, str]) -> tuple[Segment, ...]:
    """What each piece of a text becomes.

    Raises:
        Malformed: see `pieces`; or a variable that must be given is not.
    """
    return tuple(_segment(piece, values) for piece in pieces(text))


def resolve(text: str, values: Mapping[str, str]) -> str:
    """What a text becomes; raises as `segments` does."""
    return "".join(segment.text for segment in segments(text, values))


def _segment(piece: Piece, values: Mapping[str, str]) -> Segment:
    if piece.variable is None:
        return Segment("$" if piece.operator == "$" else piece.source, piece)
    value = values.get(piece.variable)
    counts = value is not None and (value != "" or not piece.operator.startswith(":"))
    match piece.operator[-1:]:
        case "-" if not counts:
            return Segment(resolve(piece.argument, values), piece)
        case "?" if not counts:
            raise Malformed(f"the variable {piece.variable} is required and not set")
        case "+":
            return Segment(resolve(piece.argument, values) if counts else "", piece)
    return Segment(value or "", piece, given=value is not None)
