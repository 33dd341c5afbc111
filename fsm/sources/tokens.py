"""The token that a source's configuration names; it is in no message and no log."""

from __future__ import annotations

import os

from fsm.errors import ConfigError
from fsm.sources.specs import GitSpec, HttpSpec


def token_of(spec: HttpSpec | GitSpec) -> str | None:
    """The token; None where the configuration names none.

    Raises:
        ConfigError: it cannot be read, or is no token.
    """
    if spec.token_env is not None:
        what, found = f"the environment variable {spec.token_env}", os.environ.get(spec.token_env, "")
    elif spec.token_file is not None:
        what = f"the file {spec.token_file}"
        try:
            found = spec.token_file.read_text(encoding="ascii")
        except (OSError, UnicodeError) as error:
            why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not plain ASCII"
            raise ConfigError(f"cannot read the token in {what}", why, "correct token_file") from error
    else:
        return None
    token = found.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"cannot use the token in {what}", "it is empty or no token", "put the bare token there")
    return token
