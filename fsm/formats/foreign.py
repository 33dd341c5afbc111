"""JSON and TOML that somebody else wrote: what cannot be read is a `ValueError` that says why."""

from __future__ import annotations

from typing import Any

_TOO_DEEP = "it is nested too deep"


def json_of(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, or nested deeper than Python reads.
    """
    import json  # noqa: PLC0415 - not everybody who imports this reads JSON

    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


def toml_of(text: str) -> dict[str, Any]:
    """What a TOML text says.

    Raises:
        ValueError: it is no TOML (a `tomllib.TOMLDecodeError`, which names line and column), or nested too deep.
    """
    import tomllib  # noqa: PLC0415 - not everybody who imports this reads TOML

    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
