"""Where the configuration and the state of a host are, for those who must know before anything is read.

Imports next to nothing: `fsm status` and a shell that asks for completions start here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fsm.errors import ConfigError
from fsm.system import trusted

NAME: Final = "fsm.toml"
SYSTEM: Final = Path("/etc/fsm") / NAME


def find(explicit: Path | None = None) -> Path:
    """The configuration file: ``--config``, ``$FSM_CONFIG``, ``./fsm.toml``, ``/etc/fsm/fsm.toml``.

    Raises:
        ConfigError: there is none.
    """
    named = explicit or (Path(os.environ["FSM_CONFIG"]) if os.environ.get("FSM_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"cannot read {named}", _why(named), "correct the path, or run `fsm init`")
        return named.absolute()
    for candidate in (Path.cwd() / NAME, SYSTEM):
        if candidate.is_file():
            return candidate
    raise ConfigError(
        "there is no configuration",
        f"./{NAME} and {SYSTEM} do not exist",
        f"create {NAME} with `fsm init`, or name a file with --config or $FSM_CONFIG",
    )


def _why(path: Path) -> str:
    if not path.exists():
        return "there is no such file"
    return "it is a directory" if path.is_dir() else "it is not a regular file"


def text_of(path: Path) -> str:
    """What a configuration file says; an editor on Windows may have put a byte order mark before it.

    Raises:
        ConfigError: somebody else could change what it says.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    trusted.require(path, f"cannot use the configuration {path}", "name another one with --config")
    return path.read_text(encoding="utf-8-sig")


@lru_cache(maxsize=1)  # the quick answer looks there first, and then whoever has more to do
def settings_in(text: str) -> Mapping[str, Any]:
    """The table ``[fsm]`` of a configuration file, as it stands there; the rest is not looked at.

    Raises:
        Exception: whatever reading it raises; only `fsm.host.config` says what is wrong with it.
    """
    import tomllib  # noqa: PLC0415 - not for a shell's completions

    table: Mapping[str, Any] = tomllib.loads(text).get("fsm", {})
    return table


def state_dir_of(settings: Mapping[str, Any], base: Path) -> Path:
    """The state directory, as `fsm.host.config` finds it.

    Args:
        settings: from `settings_in`.
        base: the directory of the configuration file.

    Raises:
        Exception: as `settings_in` does.
    """
    given = settings.get("state_dir")
    return default_state_dir() if given is None else Path(base, Path(given).expanduser())


def default_state_dir() -> Path:
    """``/var/lib/fsm`` for root, ``$XDG_STATE_HOME/fsm`` (``~/.local/state/fsm``) for others.

    Raises:
        ConfigError: this user has no home directory.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/fsm")
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fsm"
    except RuntimeError as error:
        raise ConfigError(
            "cannot determine the state directory",
            f"user {os.geteuid()} has no home directory",
            "set state_dir in [fsm], or $HOME",
        ) from error
