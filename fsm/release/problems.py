"""What is wrong with a release that is being made: one line, and the file and line that a person has to correct."""

from __future__ import annotations

import re
from typing import NamedTuple

from fsm.errors import FsmError, Refused


class Spot(NamedTuple):
    """Where something is wrong: a file as the caller named it, line and column from 1; 0 if that is unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])


class ReleaseError(Refused):
    """A release cannot be made of what is there.

    Args:
        spot: where to correct it.
        why: what is wrong there.
        todo: what to do next.
    """

    def __init__(self, spot: Spot, why: str, todo: str) -> None:
        super().__init__(str(spot), why, todo)
        self.spot = spot


def annotation(error: FsmError) -> str:
    """An error as GitHub shows it beside the line that it is about.

    The form: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands. Values are escaped
    as GitHub's own toolkit does (`packages/core/src/command.ts`), so that no text can become another command.
    """
    places = ""
    if isinstance(error, ReleaseError):
        spot = error.spot
        given = {"file": spot.file, "line": spot.line, "col": spot.column}
        places = ",".join(f"{key}={_property(str(value))}" for key, value in given.items() if value)
    return f"::error{' ' if places else ''}{places}::{_data(str(error))}"


def _data(text: str) -> str:
    # GitHub's runner ends lines at more characters than \r and \n; those have no business in a message.
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", "\N{REPLACEMENT CHARACTER}", text)
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
