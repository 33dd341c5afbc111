"""Processes that begin as forks of a Python which has imported the updater: milliseconds for each, not half a second.

They are processes of their own in all but that. What is about how a command starts begins one by `subprocess`.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tools import import_all

_WARM = multiprocessing.get_context("forkserver")
_WARM.set_forkserver_preload(import_all.modules())


def python(script: str, *arguments: str, **how: Any) -> CompletedProcess[str]:
    """Run a script as ``python -c`` does. Arguments as for `fsm`."""
    return _run(script, ["-c", *arguments], **how)


def fsm(*arguments: str, **how: Any) -> CompletedProcess[str]:
    """Run a command line.

    Args:
        arguments: its words.
        how: `cwd` and `env` as for `subprocess.run`, `timeout` in seconds, and `memory` in bytes.
    """
    return _run("import sys\nfrom fsm.cli import main\nsys.exit(main())\n", ["fsm", *arguments], **how)


def _run(
    script: str,
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
    memory: int = resource.RLIM_INFINITY,
) -> CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        said = [f"{folder}/1", f"{folder}/2"]
        where, environ = str(cwd or Path.cwd()), dict(os.environ if env is None else env)
        child = _WARM.Process(target=_child, args=(script, argv, sys.executable, where, environ, said, memory))
        child.start()
        try:
            child.join(timeout)
            if child.is_alive():
                raise TimeoutError(f"{' '.join(argv)} has not ended within {timeout} s")
        finally:
            child.kill()
            child.join()
        out, err = (Path(path).read_text(encoding="utf-8") if Path(path).exists() else "" for path in said)
        assert child.exitcode is not None
        return CompletedProcess(list(argv), child.exitcode, out, err)


def _child(
    script: str,
    argv: list[str],
    executable: str,
    cwd: str,
    env: dict[str, str],
    said: Sequence[str],
    memory: int,
) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.argv, sys.executable = argv, executable  # what a test says that the interpreter is
    exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
