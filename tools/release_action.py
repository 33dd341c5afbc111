"""What action.yml runs: `fsm release` with options from the environment, then outputs and the job's summary."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

OPTIONS = ("description", "version", "tag")


def main() -> int:
    """Run, and hand on what was published; the exit code is that of `fsm`."""
    check = os.environ.get("FSM_CHECK_ONLY") == "true"
    done = subprocess.run(_command(check), stdout=None if check else subprocess.PIPE, check=False)
    if done.returncode == 0 and not check:
        _report(_published(done.stdout))
    return done.returncode


def _command(check: bool) -> list[str]:
    """Each value is one argument, joined to its option: none can become an option or reach a shell."""
    command = [sys.executable, "-m", "fsm", "release", "check" if check else "publish"]
    names = OPTIONS if check else (*OPTIONS, "output", "api_url")
    for name in names:
        if value := os.environ.get(f"FSM_{name.upper()}"):
            command.append(f"--{name.replace('_', '-')}={value}")
    if not check:
        command += ["--json", *(["--draft"] if os.environ.get("FSM_DRAFT") == "true" else [])]
    return command


def _published(printed: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed)["results"][0]
    return found


def _report(release: dict[str, Any]) -> None:
    files = release["files"]
    _append("GITHUB_OUTPUT", _output("release-url", release["url"]))
    _append("GITHUB_OUTPUT", _output("digests", json.dumps({each["name"]: each["sha256"] for each in files})))
    rows = [f"| {each['name']} | {each['size']} | `{each['sha256']}` |" for each in files]
    _append("GITHUB_STEP_SUMMARY", "\n".join(["| file | bytes | sha256 |", "| --- | ---: | --- |", *rows, ""]))


def _output(name: str, value: str) -> str:
    mark = secrets.token_hex(16)  # nothing in a value can guess where it ends
    return f"{name}<<{mark}\n{value}\n{mark}\n"


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)


if __name__ == "__main__":
    raise SystemExit(main())
