"""`fsm` under another clock: ``python -m tests.cli.warm_clock`` imports everything once, and forks for each command.

What is preloaded must be there when a Python starts, so no fork of `tests.warm` can have it. A command is a JSON object
in a line, the answer its exit code; what it prints goes to the files that it names.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from benchmarks import resume_child
from fsm.cli import main
from fsm.system import faults
from tools import import_all


def act(request: dict[str, Any]) -> int:
    """Be a command: at the time that is named, and killed at the fault point, if one is named."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = [os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err")]
    for number, descriptor in enumerate((nothing, *said)):
        os.dup2(descriptor, number)
    os.environ["FSM_TEST_CLOCK"] = str(request["ahead"])
    if request["killed_at"]:
        resume_child.POINT = request["killed_at"]
        faults.install(resume_child.kill)
    sys.argv = ["fsm", *request["words"]]
    return main()


if __name__ == "__main__":
    for module in import_all.modules():
        importlib.import_module(module)
    while line := sys.stdin.readline():
        if not (child := os.fork()):
            sys.exit(act(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
