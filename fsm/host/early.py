"""Before the engine is loaded: whether a call will touch what is another user's, so that a spare worker pays off.

A guess, from the file as it stands there: what is not needed ends unused, and what is missed is started when it is
wanted. Imports next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fsm.host.places import find, text_of


def begin(explicit: Path | None, names: Collection[str]) -> None:
    """Start a spare worker if one will be wanted.

    Args:
        explicit: the configuration that the call names.
        names: the components that it touches; all of them, if there are none.
    """
    if getattr(os, "geteuid", lambda: -1)() != 0:
        return
    try:
        types = _types(find(explicit), names)
        if types:
            from fsm.engine import spare  # noqa: PLC0415 - 10 ms that hosts of one user need not pay

            spare.start(types)
    except Exception:  # whatever is wrong, with the file or with the host: who needs it says it properly
        return


def _types(path: Path, names: Collection[str]) -> list[str]:
    import tomllib  # noqa: PLC0415 - not for who is not root

    whole: Mapping[str, Any] = tomllib.loads(text_of(path))
    chosen = [table for name, table in whole["components"].items() if not names or name in names]
    if whole.get("fsm", {}).get("pass_environment"):
        return []  # a worker has those variables from its beginning
    types = {table["type"] for table in chosen if _somebodys(table, path.parent)}
    return sorted(each for each in types if isinstance(each, str) and each.isprintable())


def _somebodys(table: Mapping[str, Any], base: Path) -> bool:
    """Whether a component is touched as somebody else: by `run_as`, or since one of its paths is another user's."""
    run_as = table.get("run_as")
    if run_as is not None:
        return run_as not in ("root", 0)
    return any(_owner(base, value) for value in table.values() if isinstance(value, str))


def _owner(base: Path, value: str) -> int:
    try:
        return os.lstat(base / Path(value).expanduser()).st_uid
    except (OSError, ValueError, RuntimeError):  # not a path, or nothing is there
        return 0
