"""From arguments to an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fsm.cli import output, quick
from fsm.cli.codes import Code


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line; every way it can end becomes an exit code, and no traceback is shown.

    Args:
        argv: the arguments, by default those of this process.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    output.lost.clear()
    code: int | None = quick.answer(args)
    if code is None:
        from fsm.cli.invoke import invoked  # noqa: PLC0415 - click takes half of the time of a quick answer

        code = invoked(args)
    for why in output.lost[:1]:
        output.tell(f"fsm: cannot write the output: {why}")
        code = code or Code.FAILED
    return int(code)
