"""A command line through click: parsed, performed, and every exception turned into an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from fsm.cli import output
from fsm.cli.app import fsm
from fsm.cli.codes import Code, of_error
from fsm.cli.quick import COMPLETE
from fsm.errors import FsmError


def invoked(args: list[str]) -> int:
    """The exit code of a command line; nothing is raised.

    Args:
        args: its words, without the program's name.
    """
    return _ended(lambda: _invoke(args), "--json" in args)


def _invoke(args: list[str]) -> int:
    if os.environ.get(COMPLETE):
        fsm.main(args, prog_name="fsm", complete_var=COMPLETE)
    with fsm.make_context("fsm", args, terminal_width=_width()) as context:
        code: int = fsm.invoke(context)
        return code


def _width() -> int:
    """Columns for help texts, between 60 and 100 (`shutil`, where click would ask, takes 2 ms to import)."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns)
    except (OSError, ValueError):
        columns = 80
    return min(max(columns, 60), 100) - 2


def _ended(command: Callable[[], int], as_json: bool) -> int:
    try:
        return command()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _usage(error, as_json)
    except FsmError as error:
        return _explained(error, as_json)
    except (KeyboardInterrupt, click.Abort):
        output.tell("\nfsm: interrupted")
        return Code.INTERRUPTED
    except OSError as error:  # a full disk, a file that is gone: the host's trouble
        if os.environ.get("FSM_DEBUG"):
            _traceback(error)
        return _report(Code.FAILED, "cannot go on", str(error), "mend that, then try again", "OSError", as_json)
    except Exception as error:
        return _unexpected(error, as_json)


def _usage(error: click.ClickException, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        output.tell(error.message)
        return Code.USAGE
    todo = f"see `{context.command_path} --help`" if context else "see `fsm --help`"
    if isinstance(error, click.NoSuchOption) and error.option_name == "--config":
        todo = "put it before the command: `fsm --config FILE ...`"
    message = error.format_message().rstrip(".")
    return _report(Code.USAGE, message[:1].lower() + message[1:], "", todo, "UsageError", as_json)


def _explained(error: FsmError, as_json: bool) -> int:
    if os.environ.get("FSM_DEBUG"):
        _traceback(error)
    return _report(of_error(error), error.what, error.why, error.todo, type(error).__name__, as_json)


def _unexpected(error: Exception, as_json: bool) -> int:
    if os.environ.get("FSM_DEBUG"):
        _traceback(error)
    why = f"{type(error).__name__}: {error}"
    todo = "this is a bug; run it again with FSM_DEBUG=1 to see where, and report it"
    return _report(Code.BUG, "unexpected error", why, todo, type(error).__name__, as_json)


def _report(code: Code, what: str, why: str, todo: str, kind: str, as_json: bool) -> int:
    """One line for people, and the same in parts for programs."""
    message = str(FsmError(what, why, todo))
    output.tell(f"fsm: {output.one_line(message)}")
    if as_json:
        parts = {"type": kind, "code": int(code), "message": message, "what": what, "why": why, "todo": todo}
        output.document({"error": parts})
    return code


def _traceback(error: BaseException) -> None:
    import traceback  # noqa: PLC0415 - only with FSM_DEBUG

    output.tell("".join(traceback.format_exception(error)).rstrip())
