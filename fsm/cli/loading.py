"""The façade, or the part of it that resumes: loaded when a command needs it."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fsm.host import early

if TYPE_CHECKING:
    from pathlib import Path

    from fsm.host.resumer import Resumer
    from fsm.updater import Updater


def updater(config: Path | None, touching: Collection[str] | None = None) -> Updater:
    """The façade for a configuration.

    Args:
        config: the file that the call names.
        touching: the components that the call works on, empty for all; None if it only reads what is known of them.

    Raises:
        ConfigError: with file, key and remedy.
    """
    if touching is not None:
        early.begin(config, touching)
    with _loading():
        from fsm.updater import Updater  # noqa: PLC0415 - 150 ms that `--help` need not pay

        return Updater.from_config(config)


def resumer(config: Path | None) -> Resumer:
    """The part of the façade that goes on with what is in progress.

    Args:
        config: the file that the call names.

    Raises:
        ConfigError: with file, key and remedy.
    """
    early.begin(config, ())
    with _loading():
        from fsm.host.resumer import Resumer  # noqa: PLC0415 - not for `--help`

        return Resumer(config)


@contextmanager
def _loading() -> Iterator[None]:
    _quiet()
    try:
        yield
    finally:
        # What has been imported by now stays for good: a collection need not look through it (a tenth of a resume).
        gc.freeze()
        gc.enable()


def _quiet() -> None:
    """Keep the library's log, which has tracebacks, from standard error; `FSM_DEBUG` shows it."""
    from logging import NullHandler  # noqa: PLC0415 - loaded with the façade anyway

    from fsm.engine.progress import log  # noqa: PLC0415 - loaded with the façade anyway

    if not os.environ.get("FSM_DEBUG") and not log.handlers:
        log.addHandler(NullHandler())
        log.propagate = False
