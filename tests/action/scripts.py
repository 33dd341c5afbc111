"""How a step's script is started: by which command line, in which environment, and for how long at most."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SHELLS: Final = {
    "bash": "bash --noprofile --norc -e -o pipefail {0}",
    "python": "python {0}",
    "sh": "sh -e {0}",
    "": "bash -e {0}",
}
"""The command lines of `shell`; the last is that of a workflow's step without one.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax, `jobs.<job_id>.steps[*].shell`.
"""

IN_ENVIRONMENT: Final = frozenset(
    {
        *("action_path", "action_ref", "action_repository", "actor", "api_url", "base_ref", "event_name", "head_ref"),
        *("job", "ref", "ref_name", "ref_type", "repository", "repository_owner", "run_attempt", "run_id"),
        *("run_number", "server_url", "sha", "workflow", "workspace"),
    }
)
"""What of the context `github` each step has as ``GITHUB_...``; the token is not among it."""

KEPT: Final = ("HOME", "LANG", "PATH", "SOURCE_DATE_EPOCH", "SSL_CERT_FILE", "TMPDIR")
KEPT_PREFIXES: Final = ("PIP_", "UV_")
"""What a machine has configured for its package tools; not how coverage is measured, as what runs is a copy."""

DEADLINE: Final = 240.0
"""Seconds for one step: the first makes an environment, perhaps over a slow network."""


def kept() -> dict[str, str]:
    """What of this process's environment the steps see."""
    return {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}


def run(shell: str, script: Path, env: Mapping[str, str], where: Path) -> tuple[int, str]:
    """Run a script to its end, with its children in a group of their own.

    Returns:
        Its exit code, and what it has printed: both outputs are one, as in a log.
    """
    command = [word.format(script) for word in shlex.split(SHELLS[shell])]
    with subprocess.Popen(
        command,
        cwd=where,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=DEADLINE)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, printed.decode("utf-8", "replace")
