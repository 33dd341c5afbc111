"""What action.yml runs: `fsm release` with options from the environment, then outputs and the job's summary."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ONE: Final = {"description": "description", "version": "version", "tag": "tag"}
"""Options that have one value, by the part of the variable's name; those of a check."""

ONE_TO_PUBLISH: Final = {"output": "output", "keyring": "keyring", "repository": "repository", "api_url": "api-url"}

SEVERAL: Final = {"artifacts": "artifact", "images": "image", "checksums": "checksums"}
"""Options that may be repeated, a line each."""


def main() -> int:
    """Run, and hand on what was published; the exit code is that of `fsm`."""
    check = _is_true("CHECK_ONLY")
    done = subprocess.run(_command(check), stdout=None if check else subprocess.PIPE, check=False)
    if done.returncode == 0 and not check:
        _report(_published(done.stdout))
    return done.returncode


def _command(check: bool) -> list[str]:
    """Each value is one argument, joined to its option: none can become an option or reach a shell.

    Isolated, Python imports nothing from the workspace, where whatever was built may lie.
    """
    command = [sys.executable, "-I", "-m", "fsm", "release", "check" if check else "publish"]
    for name, option in (ONE if check else {**ONE, **ONE_TO_PUBLISH}).items():
        if value := _given(name):
            command.append(f"--{option}={value}")
    for name, option in SEVERAL.items():
        command += [f"--{option}={line.strip()}" for line in _given(name).splitlines() if line.strip()]
    if not check:
        command += ["--json", *(["--draft"] if _is_true("DRAFT") else [])]
    return command


def _given(name: str) -> str:
    return os.environ.get(f"FSM_{name.upper()}", "")


def _is_true(name: str) -> bool:
    value = _given(name) or "false"
    if value not in ("true", "false"):
        # One that means "no" in another spelling must not publish, nor the other way round.
        option = name.lower().replace("_", "-")
        sys.exit(f"fsm: the input {option} is neither true nor false; correct the workflow")
    return value == "true"


def _published(printed: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed)["results"][0]
    return found


def _report(release: dict[str, Any]) -> None:
    files, manifests, keys = release["files"], release["manifests"], " ".join(release["signed_by"])
    for name, value in {
        "release-url": release["url"],
        "manifests": json.dumps(manifests),
        "manifest": next(iter(manifests.values())),
        "sums": release["sums"][0],
        "digests": json.dumps({each["name"]: each["sha256"] for each in files}),
        "signed-by": keys,
    }.items():
        _append("GITHUB_OUTPUT", _output(name, value))
    rows = [
        f"| {each['name']} | {each['size']} | `{each['sha256']}` | {keys if each['signed'] else ''} |" for each in files
    ]
    heading = f"{release['tag']}: {'signed' if keys else 'not signed'}\n"
    table = ["| file | bytes | sha256 | signed by |", "| --- | ---: | --- | --- |", *rows, ""]
    _append("GITHUB_STEP_SUMMARY", "\n".join([heading, *table]))


def _output(name: str, value: str) -> str:
    mark = secrets.token_hex(16)  # nothing in a value can guess where it ends
    return f"{name}<<{mark}\n{value}\n{mark}\n"


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)


if __name__ == "__main__":
    raise SystemExit(main())
