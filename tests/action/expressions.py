"""GitHub's expressions, ``${{ ... }}``, as its runner evaluates them; what it does not know is an error here as there.

The rules: https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Value = Any
"""null, a boolean, a number, text, a list, or a mapping with text as keys."""

_TEMPLATE: Final = re.compile(r"\$\{\{((?:'(?:[^']|'')*'|(?!\}\}).)*)\}\}", re.DOTALL)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))|(?P<text>'(?:[^']|'')*')"
    r"|(?P<name>[A-Za-z_][\w-]*)|(?P<mark>&&|\|\||==|!=|<=|>=|[<>!()\[\],.*]))"
)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class ExpressionError(ValueError):
    """An expression that the runner would refuse."""


class Contexts:
    """What an expression may use.

    Args:
        values: the contexts by name: ``github``, ``inputs``, ...
        functions: beside the general ones: ``success`` and its like.
    """

    def __init__(
        self, values: Mapping[str, Value], functions: Mapping[str, Callable[..., Value]] | None = None
    ) -> None:
        self.values = values
        self.functions = {**_FUNCTIONS, **(functions or {})}

    def fill(self, text: Value) -> Value:
        """A value of the YAML with its expressions evaluated; text that is one expression keeps the value's type."""
        if not isinstance(text, str):
            return text
        whole = _TEMPLATE.fullmatch(text.strip())
        if whole:
            return self.evaluate(whole[1])
        return _TEMPLATE.sub(lambda found: as_text(self.evaluate(found[1])), text)

    def text(self, text: Value) -> str:
        """As `fill`, as text."""
        return as_text(self.fill(text))

    def evaluate(self, expression: str) -> Value:
        """The value of one expression.

        Raises:
            ExpressionError: it is none, or names what is not there.
        """
        parser = _Parser(expression, self)
        value = parser.alternatives()
        parser.expect("")
        return value


def names_in(expression: str) -> set[str]:
    """The names of the functions that an expression calls."""
    return {name.lower() for name in re.findall(r"([A-Za-z_][\w-]*)\s*\(", re.sub(r"'(?:[^']|'')*'", "", expression))}


def is_true(value: Value) -> bool:
    """Whether a value counts as true: not null, false, 0, NaN or empty text."""
    return not (
        value is None or value is False or value == "" or (_is_number(value) and (value == 0 or math.isnan(value)))
    )


def as_text(value: Value) -> str:
    """A value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if _is_number(value):
        return f"{value:.15g}"
    return value if isinstance(value, str) else "Array" if isinstance(value, list) else "Object"


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_number(value: Value) -> float:
    if value is None or isinstance(value, bool) or _is_number(value):
        return float(value or 0)
    if isinstance(value, str):
        try:
            return float(value.strip() or 0)
        except ValueError:
            return math.nan
    return math.nan


def _equal(left: Value, right: Value) -> bool:
    """Text without case; different kinds as numbers; lists and mappings by identity."""
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return left is right
    return bool(_as_number(left) == _as_number(right))


class _Parser:
    """Evaluates while it reads; both sides of `&&` and `||` are evaluated, which nothing can see."""

    def __init__(self, expression: str, contexts: Contexts) -> None:
        self._expression, self._contexts = expression, contexts
        self._tokens: list[tuple[str, str]] = []
        at, end = 0, len(expression.rstrip())
        while at < end:
            found = _TOKEN.match(expression, at)
            if found is None:
                raise ExpressionError(f"unexpected symbol at {expression[at:].strip()[:20]!r} in {expression!r}")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()

    def alternatives(self) -> Value:
        value = self._conjunction()
        while self._take("||"):
            other = self._conjunction()
            value = value if is_true(value) else other
        return value

    def expect(self, mark: str) -> None:
        kind, found = self._next()
        if found != mark or (mark and kind != "mark"):
            raise ExpressionError(f"{found or 'the end'!r} where {mark or 'the end'!r} belongs in {self._expression!r}")

    def _next(self) -> tuple[str, str]:
        return self._tokens.pop(0) if self._tokens else ("", "")

    def _take(self, *marks: str) -> str:
        if self._tokens and self._tokens[0][0] == "mark" and self._tokens[0][1] in marks:
            return self._tokens.pop(0)[1]
        return ""

    def _conjunction(self) -> Value:
        value = self._equality()
        while self._take("&&"):
            other = self._equality()
            value = other if is_true(value) else value
        return value

    def _equality(self) -> Value:
        value = self._relation()
        while mark := self._take("==", "!="):
            value = _equal(value, self._relation()) == (mark == "==")
        return value

    def _relation(self) -> Value:
        value = self._unary()
        while mark := self._take(*_COMPARE):
            other = self._unary()
            both = isinstance(value, str) and isinstance(other, str)
            pair = (value.casefold(), other.casefold()) if both else (_as_number(value), _as_number(other))
            value = _COMPARE[mark](*pair)
        return value

    def _unary(self) -> Value:
        return not is_true(self._unary()) if self._take("!") else self._parts(self._primary())

    def _parts(self, value: Value) -> Value:
        while mark := self._take(".", "["):
            if mark == "[":
                value = _part(value, self.alternatives())
                self.expect("]")
                continue
            kind, name = self._next()
            if kind != "name":
                raise ExpressionError(f"{name!r} is no property, in {self._expression!r}")
            value = _part(value, name)
        return value

    def _primary(self) -> Value:
        kind, found = self._next()
        if kind == "number":
            return float(int(found, 16)) if "0x" in found else float(found)
        if kind == "text":
            return found[1:-1].replace("''", "'")
        if kind == "mark" and found == "(":
            value = self.alternatives()
            self.expect(")")
            return value
        if kind != "name":
            raise ExpressionError(f"{found or 'the end'!r} where a value belongs in {self._expression!r}")
        if self._take("("):
            return self._called(found)
        if found in _CONSTANTS:
            return _CONSTANTS[found]
        if found not in self._contexts.values:
            raise ExpressionError(f"unrecognized named-value: {found!r} in {self._expression!r}")
        return self._contexts.values[found]

    def _called(self, name: str) -> Value:
        arguments = []
        while not self._take(")"):
            arguments.append(self.alternatives())
            if not self._take(","):
                self.expect(")")
                break
        functions = {known.lower(): function for known, function in self._contexts.functions.items()}
        if name.lower() not in functions:
            raise ExpressionError(f"unrecognized function: {name!r} in {self._expression!r}")
        return functions[name.lower()](*arguments)


def _part(value: Value, key: Value) -> Value:
    """A property or an element; null where it is not there."""
    if isinstance(value, Mapping):
        return next((each for name, each in value.items() if name.casefold() == as_text(key).casefold()), None)
    if isinstance(value, list) and _is_number(key) and 0 <= key < len(value):
        return value[int(key)]
    return None


def _contains(where: Value, what: Value) -> bool:
    if isinstance(where, list):
        return any(_equal(each, what) for each in where)
    return as_text(what).casefold() in as_text(where).casefold()


def _format(text: str, *values: Value) -> str:
    def put(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else as_text(values[int(found[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", put, text)


def _json(value: Value) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


_FUNCTIONS: Final[dict[str, Callable[..., Value]]] = {
    "contains": _contains,
    "startsWith": lambda where, what: as_text(where).casefold().startswith(as_text(what).casefold()),
    "endsWith": lambda where, what: as_text(where).casefold().endswith(as_text(what).casefold()),
    "format": _format,
    "join": lambda values, mark=",": as_text(mark).join(map(as_text, values if isinstance(values, list) else [values])),
    "toJSON": _json,
    "fromJSON": json.loads,
}
