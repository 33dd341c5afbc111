"""How a command line ends: every exception becomes one line and an exit code, with or without click."""

from __future__ import annotations

import os
from collections.abc import Callable

from fsm.cli import output
from fsm.cli.codes import Code, of_error
from fsm.errors import FsmError


def ended(command: Callable[[], int], as_json: bool) -> int:
    """The exit code of a command; nothing is raised.

    Args:
        command: what is called.
        as_json: whether the error is printed for programs as well.
    """
    try:
        return command()
    except FsmError as error:
        return _explained(error, as_json)
    except KeyboardInterrupt:
        return interrupted()
    except OSError as error:  # a full disk, a file that is gone: the host's trouble
        _traced(error)
        return report(Code.FAILED, "cannot go on", str(error), "mend that, then try again", "OSError", as_json)
    except Exception as error:
        return _unexpected(error, as_json)


def interrupted() -> int:
    """Say that a person has interrupted the command."""
    output.tell("\nfsm: interrupted")
    return Code.INTERRUPTED


def report(code: Code, what: str, why: str, todo: str, kind: str, as_json: bool) -> int:
    """One line for people, and the same in parts for programs."""
    message = str(FsmError(what, why, todo))
    output.tell(f"fsm: {output.one_line(message)}")
    if as_json:
        parts = {"type": kind, "code": int(code), "message": message, "what": what, "why": why, "todo": todo}
        output.document({"error": parts})
    return code


def _explained(error: FsmError, as_json: bool) -> int:
    _traced(error)
    return report(of_error(error), error.what, error.why, error.todo, type(error).__name__, as_json)


def _unexpected(error: Exception, as_json: bool) -> int:
    _traced(error)
    why = f"{type(error).__name__}: {error}"
    todo = "this is a bug; run it again with FSM_DEBUG=1 to see where, and report it"
    return report(Code.BUG, "unexpected error", why, todo, type(error).__name__, as_json)


def _traced(error: BaseException) -> None:
    """Show where it came from, if that is wanted."""
    if not os.environ.get("FSM_DEBUG"):
        return
    import traceback  # noqa: PLC0415 - only with FSM_DEBUG

    output.tell("".join(traceback.format_exception(error)).rstrip())
