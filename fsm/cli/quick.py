"""`fsm status` and `fsm resume` where nothing has to be asked or done: without click, which takes half of their time.

No option is parsed here. What is not exactly one of these forms, and whatever goes wrong, goes the long way round.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fsm.cli import output
from fsm.cli.codes import Code

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE: Final = "_FSM_COMPLETE"
"""The variable by which a shell asks for completions; the script of `fsm completion` sets it."""


def answer(args: Sequence[str]) -> Code | None:
    """Answer a command line.

    Args:
        args: its words, without the program's name.

    Returns:
        The exit code; None if nothing was said yet, because the call has to go the long way round.
    """
    if os.environ.get(COMPLETE):
        return None
    match args:
        case ["--config", path, command] if path and not path.startswith("-"):
            return _answer(command, path)
        case [command]:
            return _answer(command, None)
    return None


def _answer(command: str, config: str | None) -> Code | None:
    answers = {"status": _status, "resume": _resume}
    if command not in answers:
        return None
    from pathlib import Path  # noqa: PLC0415 - 7 ms that `fsm --help` need not pay

    try:
        lines = answers[command](None if config is None else Path(config))
    except Exception:  # whatever is wrong, the long way round says it properly
        return None
    if lines is None:
        return None
    for line in lines:
        output.say(line)
    return Code.DONE


def _status(config: Path | None) -> list[str] | None:
    from datetime import UTC, datetime  # noqa: PLC0415 - only for this command

    from fsm.cli.status_lines import lines  # noqa: PLC0415 - only for this command
    from fsm.host import quick_status  # noqa: PLC0415 - only for this command

    found = quick_status.read(config)
    return None if found is None else list(lines(found, datetime.now(UTC)))


def _resume(config: Path | None) -> list[str] | None:
    from fsm.host.quick_resume import NOTHING, nothing_to_do  # noqa: PLC0415 - only for this command
    from fsm.system import boot_hold  # noqa: PLC0415 - only for this command

    boot_hold.hold()
    if not nothing_to_do(config):
        return None  # the long way round takes the hold anew
    boot_hold.release()
    return [NOTHING]
