"""The boundary to ruamel.yaml: text in, parser events out, every trouble a `ManifestError` with its place.

Refused by `events`, as soon as the scanner meets its first character: aliases, anchors, tags, directives. A file that
people wrote for another program may have all of them: `any_events` lets them pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NoReturn

from fsm.errors import ManifestError
from fsm.formats.yamldoc.document import Place, refusal

_PLAIN_WORDS: Final = (
    ("mapping values are not allowed", "a ':' stands where no key can stand", "quote the text that has ': ' in it"),
    ("could not find expected ':'", "a ':' is missing after a key", "write key: value"),
    ("found character '\\t'", "a tab stands where spaces belong", "indent with spaces"),
    ("unexpected end of stream", "the file ends too early", "close what is open, or look for lines that are missing"),
    ("expected <block end>", "the indentation does not fit the lines above", "line it up with the keys above"),
    ("cannot start any token", "no value can begin with this character", "quote the text"),
    ("unknown escape character", "there is no such escape", "double the backslash, or use single quotes"),
    ("expected the node content", "a value is missing", "write it, or remove what announces it"),
    ("mapping keys are not allowed", "a '?' stands where no key can stand", "quote the text that begins with '? '"),
    ("expected ',' or", "a ',' or the closing bracket is missing", "add it"),
)
"""What ruamel.yaml says, what it means, and what to do."""


def events(text: str, where: str) -> Iterator[Any]:
    """The parser events of a text, up to the first thing that is not allowed.

    Raises:
        ManifestError: with file, line and column.
    """
    yield from _parsed(text, where, _scanner(where))


def any_events(text: str, where: str) -> Iterator[Any]:
    """The parser events of a text with whatever YAML has.

    Raises:
        ManifestError: with file, line and column.
    """
    from ruamel.yaml.scanner import Scanner  # noqa: PLC0415 - 60 ms, only for those who read YAML

    yield from _parsed(text, where, Scanner)


def _parsed(text: str, where: str, scanner: type[Any]) -> Iterator[Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 - 60 ms, only for those who read YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = scanner
    last = (1, 1)
    try:
        for event in yaml.parse(text):
            last = place_of(event.start_mark)
            yield event
    except ManifestError:
        raise
    except Exception as error:  # the parser also raises ValueError, IndexError, AssertionError and others on garbage
        raise _converted(error, where, last) from error


def place_of(mark: Any) -> Place:
    """Line and column, from 1, of a mark that ruamel.yaml made."""
    return mark.line + 1, mark.column + 1


def _scanner(where: str) -> type[Any]:
    """A scanner that stops at the first sign of what is not plain data; the parser is quadratic in long tags."""
    from ruamel.yaml.scanner import Scanner  # noqa: PLC0415 - 60 ms, only for those who read a manifest

    class Plain(Scanner):
        def refuse(self, why: str, todo: str) -> NoReturn:
            raise refusal(where, place_of(self.reader.get_mark()), why, todo)

        def fetch_alias(self) -> NoReturn:
            self.refuse("aliases (*name) are not allowed", "write the value out")

        def fetch_anchor(self) -> NoReturn:
            self.refuse("anchors (&name) are not allowed", "remove it")

        def fetch_tag(self) -> NoReturn:
            self.refuse("tags (!name) are not allowed", "remove it; quote a value that is a text")

        def fetch_directive(self) -> None:
            if self.reader.prefix(10).strip() != "%YAML 1.2":
                self.refuse("only the directive %YAML 1.2 is allowed", "remove it")
            super().fetch_directive()

        def scan_flow_scalar(self, style: Any) -> Any:
            begin = place_of(self.reader.get_mark())
            try:
                return super().scan_flow_scalar(style)
            except ValueError as error:
                why = "an escape in this text names no character"
                raise refusal(where, begin, why, "correct the escape") from error

    return Plain


def _converted(error: Exception, where: str, last: Place) -> ManifestError:
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    begun = getattr(error, "context_mark", None)
    mark = getattr(error, "problem_mark", None) or begun
    line, column = place_of(mark) if mark else last
    unknown = ("", f"not YAML: {' '.join(problem.split())}", "correct the YAML there")
    _, why, todo = next((row for row in _PLAIN_WORDS if row[0] in problem), unknown)
    if begun and begun.line + 1 != line:
        why += f" (what is open there began at {begun.line + 1}:{begun.column + 1})"
    return refusal(where, (line, column), why, todo)
