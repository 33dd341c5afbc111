"""`fsm --help`, `fsm resume` as a boot calls it, and `fsm status` where nothing has to be asked: without click (50 ms).

No option is parsed here: what is not exactly one of these forms goes the long way round.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from fsm.cli import output
from fsm.cli.codes import Code

COMPLETE: Final = "_FSM_COMPLETE"
"""The variable by which a shell asks for completions; the script of `fsm completion` sets it."""

HELP: Final = os.path.join(os.path.dirname(__file__), "help.txt")
"""What click makes of `fsm --help` for `WIDTH`; `make generate` writes it."""

WIDTH: Final = 78
"""The longest line of a help text: what click leaves of 80 columns."""

DIGITS: Final = 5
"""Of seconds for `fsm resume --within`: less than the week that it takes at most."""


def answer(args: Sequence[str]) -> int | None:
    """Answer a command line.

    Args:
        args: its words, without the program's name.

    Returns:
        The exit code; None if nothing was said yet, because the call has to go the long way round.
    """
    if os.environ.get(COMPLETE):
        return None
    match args:
        case ["--help"] if width() == WIDTH:
            return _help()
        case ["--config", path, *words] if path and not path.startswith("-"):
            return _answer(words, path)
    return _answer(args, None)


def width() -> int:
    """Characters in a line of a help text (`shutil`, where click would ask, takes 2 ms to import)."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        return WIDTH
    return min(max(columns, 60) - 2, WIDTH)


def _help() -> int | None:
    try:
        with open(HELP, encoding="utf-8") as file:
            output.say(file.read().rstrip("\n"))
    except OSError:  # click makes it anew
        return None
    return Code.DONE


def _answer(words: Sequence[str], config: str | None) -> int | None:
    match words:
        case ["status"]:
            return _status(config)
        case ["resume"]:
            return _resume(config, None)
        case ["resume", "--within", number] if (
            number.isascii() and number.isdigit() and len(number) <= DIGITS
        ):  # less than the week that is allowed
            return _resume(config, float(number))
    return None


def _status(config: str | None) -> int | None:
    from datetime import UTC, datetime  # noqa: PLC0415 - only for this command
    from pathlib import Path  # noqa: PLC0415 - 7 ms that `fsm --help` need not pay

    from fsm.cli.status_lines import lines  # noqa: PLC0415 - only for this command
    from fsm.host import quick_status  # noqa: PLC0415 - only for this command

    try:
        found = quick_status.read(None if config is None else Path(config))
        told = None if found is None else list(lines(found, datetime.now(UTC)))
    except Exception:  # whatever is wrong, the long way round says it properly
        return None
    if told is None:
        return None
    for line in told:
        output.say(line)
    return Code.DONE


def _resume(config: str | None, within: float | None) -> int:
    from pathlib import Path  # noqa: PLC0415 - 7 ms that `fsm --help` need not pay

    from fsm.cli.ending import ended  # noqa: PLC0415 - only for this command
    from fsm.cli.resuming import resume  # noqa: PLC0415 - only for this command

    path = None if config is None else Path(config)
    return ended(lambda: resume(path, within=within, as_json=False), as_json=False)
