"""What a step tells GitHub's runner: commands on its output, and what it writes into the files of its own.

It behaves as GitHub's own does (`ActionCommand.cs`, `ActionCommandManager.cs` and `FileCommandManager.cs` in
https://github.com/actions/runner), and is stricter in one thing: `set-output` and `save-state`, which are obsolete, do
nothing, as `set-env` and `add-path` do there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

KNOWN: Final = frozenset(
    {
        *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice"),
        *("remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"),
    }
)
REFUSED: Final = frozenset({"add-path", "save-state", "set-env", "set-output"})
ANNOTATIONS: Final = frozenset({"error", "notice", "warning"})
SUMMARY_LIMIT: Final = 1 << 20
"""Bytes that a step's summary may have; GitHub drops a larger one."""

_BLOCKED: Final = frozenset({"NODE_OPTIONS"})
_PLAIN: Final = (("%0D", "\r"), ("%0A", "\n"))
_LAST: Final = (("%25", "%"),)
_IN_DATA: Final = (*_PLAIN, *_LAST)
_IN_PROPERTIES: Final = (*_PLAIN, ("%3A", ":"), ("%2C", ","), *_LAST)
_IN_OLD_FORM: Final = (("%3B", ";"), *_PLAIN, ("%5D", "]"), *_LAST)


@dataclass(frozen=True)
class Annotation:
    """A message that is shown beside a line of a file, or above the log where it names none."""

    kind: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True)
class Command:
    """One command: its name, its properties, its data."""

    name: str
    properties: dict[str, str]
    data: str


class FileCommandError(ValueError):
    """What a step wrote into one of its files cannot be read; the step fails."""


@dataclass
class Log:
    """The log of a job as people see it.

    Attributes:
        lines: with secrets as ``***``.
        raw: the same lines as they came.
        annotations: in their order.
        refused: commands that do nothing any more.
        masks: what is hidden from now on.
    """

    lines: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    refused: list[Command] = field(default_factory=list)
    masks: set[str] = field(default_factory=set)
    _until: str = ""

    def hide(self, secret: str) -> None:
        """Mask a value, and each line of one that has several."""
        self.masks |= {each for each in (secret, *secret.splitlines()) if each.strip()}

    def scrubbed(self, text: str) -> str:
        """`text` with every secret as ``***``; longest first, for one may be within another."""
        for secret in sorted(self.masks, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def feed(self, output: str) -> None:
        """Take what a process has printed."""
        for line in re.split(r"\r\n|\n|\r", output.removesuffix("\n")) if output else ():
            self.raw.append(line)
            command = parsed(line, {*KNOWN, *([self._until] if self._until else [])})
            if command is None or not self._processed(command):
                self.lines.append(self.scrubbed(line))

    def say(self, kind: str, message: str) -> None:
        """A message of the runner itself."""
        self.annotations.append(Annotation(kind, self.scrubbed(message)))
        self.lines.append(self.scrubbed(f"##[{kind}]{message}"))

    def _processed(self, command: Command) -> bool:
        """Do what a command says; false where it is only a line."""
        if self._until:
            self._until = "" if command.name == self._until else self._until
        elif command.name == "stop-commands":
            self._until = command.data
        elif command.name == "add-mask":
            self.hide(command.data)
            return True
        elif command.name in REFUSED:
            self.refused.append(command)
        elif command.name in ANNOTATIONS:
            where = command.properties
            line, column = (int(where.get(key, "0")) for key in ("line", "col"))
            message = self.scrubbed(command.data)
            self.annotations.append(Annotation(command.name, message, where.get("file", ""), line, column))
        return False


def parsed(line: str, known: Iterable[str] = KNOWN) -> Command | None:
    """The command of a line, in the form ``::name key=value::data`` or in the old one, ``##[name key=value]data``."""
    stripped = line.lstrip()
    if stripped.startswith("::") and "::" in stripped[2:]:
        head, _, data = stripped[2:].partition("::")
        command = _made(head, data, ",", _IN_PROPERTIES, _IN_DATA)
        if command.name in known:
            return command
    start = line.find("##[")
    if start >= 0 and "]" in line[start:]:
        head, _, data = line[start + 3 :].partition("]")
        command = _made(head, data, ";", _IN_OLD_FORM, _IN_OLD_FORM)
        if command.name in known:
            return command
    return None


def _made(
    head: str, data: str, mark: str, escapes: Iterable[tuple[str, str]], in_data: Iterable[tuple[str, str]]
) -> Command:
    name, _, rest = head.partition(" ")
    pairs = [each.strip().partition("=") for each in rest.split(mark)]
    properties = {key: _plain(value, escapes) for key, _, value in pairs if key and value}
    return Command(name.lower(), properties, _plain(data, in_data))


def _plain(text: str, escapes: Iterable[tuple[str, str]]) -> str:
    for escaped, plain in escapes:
        text = text.replace(escaped, plain)
    return text


def variables(text: str) -> dict[str, str]:
    """What a step has written into ``GITHUB_OUTPUT`` or ``GITHUB_ENV``: ``name=value``, or lines up to a delimiter.

    Raises:
        FileCommandError: a line is neither, or the delimiter never comes.
    """
    found: dict[str, str] = {}
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        name, mark, rest = _divided(line)
        if line:
            found[name] = rest if mark == "=" else "\n".join(_until(rest, lines))
    return found


def environment(text: str) -> dict[str, str]:
    """What a step has written into ``GITHUB_ENV``.

    Raises:
        FileCommandError: as for `variables`, or it sets what a step must not set.
    """
    found = variables(text)
    for name in found:
        if name.upper() in _BLOCKED:
            raise FileCommandError(f"Can't store {name} output parameter using '$GITHUB_ENV' command.")
    return found


def _divided(line: str) -> tuple[str, str, str]:
    marks = [mark for mark in ("=", "<<") if mark in line]
    mark = min(marks, key=line.index, default="")
    name, _, rest = line.partition(mark) if mark else (line, "", "")
    if line and (not mark or not name or (mark == "<<" and not rest)):
        raise FileCommandError(f"Invalid format '{line}'")
    return name, mark, rest


def _until(delimiter: str, lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")
