"""The token that a source's configuration names; it is in no message and no log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from fsm.errors import ConfigError
from fsm.sources.specs import GitHubSpec, GitSpec, HttpSpec
from fsm.system import regular, trusted
from fsm.system.masking import keep_secret

_LIMIT: Final = 64 << 10
"""Bytes of a file with nothing but a token in it."""


def token_of(spec: HttpSpec | GitSpec | GitHubSpec) -> str | None:
    """The token; None if the configuration names none.

    Raises:
        ConfigError: it cannot be read, or is no token.
    """
    if spec.token_env is not None:
        what, found = f"the environment variable {spec.token_env}", os.environ.get(spec.token_env, "")
    elif spec.token_file is not None:
        what, found = f"the file {spec.token_file}", _read(spec.token_file, "correct token_file")
    elif isinstance(spec, GitHubSpec) and spec.token_credential is not None:
        what, found = f"the systemd credential {spec.token_credential}", _credential(spec.token_credential)
    else:
        return None
    token = found.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"cannot use the token in {what}", "it is empty or not a token", "put the bare token there")
    return keep_secret(token)


def _credential(name: str) -> str:
    """A credential that systemd hands to the unit (systemd.exec(5), "Credentials")."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    todo = f"add LoadCredential={name}:/path/to/the/token to the units, or use token_file"
    if not folder:
        raise ConfigError(f"cannot read the systemd credential {name}", "systemd passed no credentials", todo)
    return _read(Path(folder, name), todo)


def _read(path: Path, todo: str) -> str:
    trusted.require(path, f"cannot use the token in the file {path}")
    try:
        return regular.read(path, _LIMIT, follow=True).decode("ascii")
    except (OSError, UnicodeError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not plain ASCII"
        raise ConfigError(f"cannot read the token in the file {path}", why, todo) from error
