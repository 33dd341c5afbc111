"""A configuration as the file that people write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def toml(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Plain data as TOML: values of a table first, tables after them."""
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [f"{_key(key)} = {json.dumps(value)}" for key, value in values.items() if not _tables(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines.append(toml(value, (*path, key)))
        elif _tables(value):
            lines += [
                toml(entry, (*path, key)).replace(f"[{'.'.join((*path, key))}]", f"[[{'.'.join((*path, key))}]]", 1)
                for entry in value
            ]
    return "\n".join(lines)


def _key(name: str) -> str:
    """A key as TOML wants it: bare if it can be."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
