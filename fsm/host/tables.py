"""Validates the tables of a configuration file, and says where they are wrong: file, line, column and key."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from fsm.errors import ConfigError
from fsm.formats.explain import advice, dotted, first_path

Key = tuple[str | int, ...]
"""Where a value is: the keys, and the numbers of a list's entries, that lead to it."""


@cache
def _validator(kind: Any) -> TypeAdapter[Any]:
    """Made once for each kind of table: making one takes longer than validating with it."""
    return TypeAdapter(kind)


class Tables:
    """The tables of one configuration.

    Args:
        path: its file; None if it is no file.
        base: where relative paths start.
        text: what the file says, for the lines of errors; empty if that is not known.
    """

    def __init__(self, path: Path | None, base: Path, text: str = "") -> None:
        self._where = str(path) if path else "the configuration"
        self._base = base
        self._text = text

    def refuse(self, key: Key, why: str, todo: str, *, at: Key = ()) -> NoReturn:
        """Raise a `ConfigError`.

        Args:
            key: what is wrong.
            why, todo: as in every error.
            at: where that stands, if not where the key does.
        """
        raise ConfigError(f"{self._where}{self._place(at or key)}: {dotted(key)}", why, todo)

    def _place(self, key: Key) -> str:
        from fsm.formats.toml_places import Places  # noqa: PLC0415 - only for an error message

        found = Places(self._text).find(key)
        return "" if found is None else ":{}:{}".format(*found)

    def model(self, kind: Any, data: Any, key: Key) -> Any:
        """Validate one table."""
        try:
            text = json.dumps(data)
        except TypeError:
            self.refuse(key, "has a date or a time, which no key takes", "put it in quotes, or remove it")
        try:
            return _validator(kind).validate_json(text, context={"base": self._base})
        except ValidationError as error:
            where, why, todo = advice(error, kind, data)
            self.refuse((*key, where) if where else key, why, todo, at=(*key, *first_path(error, kind, data)))
