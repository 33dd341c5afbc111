#!/usr/bin/python3 -IS
"""A stand-in for `systemctl` and `journalctl` where no systemd runs: one real process, its state in files.

It speaks what the manager asks for (`show` in properties, exit codes), so that every way through the manager is tried
on every machine, killed at every fault point too. What systemd itself does with that is tried in `tests/hosts`.

    $UNIT_DIR/spec.json    {"command": [...], "cwd": ..., "env": {...}} and properties that are to be said instead
    $UNIT_DIR/pid          the process that runs
    $UNIT_DIR/calls        one line for each call
    $UNIT_DIR/log          what the process writes

It is called a thousand times by the tests: what takes long to import (even `json` and `pathlib`) is not imported.
"""

from __future__ import annotations

import os
import sys
import time

UNIT = os.environ["UNIT_DIR"]
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any


def read(name: str) -> str:
    """A file of the unit's directory."""
    with open(f"{UNIT}/{name}", encoding="utf-8") as file:
        return file.read()


def write(name: str, text: str) -> None:
    """Put a whole file in the place of one of them."""
    with open(f"{UNIT}/{name}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{UNIT}/{name}.new", f"{UNIT}/{name}")


def spec() -> dict[str, Any]:
    """What the unit is; but for three words, JSON is Python."""
    found: dict[str, Any] = eval(read("spec.json"), {"true": True, "false": False, "null": None})
    return found


def pid() -> int:
    """The process, if it lives (a dead one that nobody reaped does not)."""
    try:
        found = int(read("pid"))
        with open(f"/proc/{found}/stat", encoding="utf-8") as file:
            state = file.read().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else found


def properties() -> dict[str, str]:
    """What is true of the unit, and what is to be said instead."""
    running = pid()
    began = os.stat(f"{UNIT}/pid").st_mtime if running else 0.0
    passed = time.time() - began
    found = {
        "LoadState": "loaded",
        "ActiveState": "active" if running else "inactive",
        "SubState": "running" if running else "dead",
        "Type": "simple",
        "RemainAfterExit": "no",
        "Result": "success",
        "MainPID": str(running),
        "ExecMainStatus": "0",
        "ActiveEnterTimestampMonotonic": str(int((time.monotonic() - passed) * 1e6)) if running else "0",
        "NRestarts": "0",
        "NeedDaemonReload": "no",
        "Job": "0",
        "UnitFileState": "enabled",
        "TriggeredBy": "",
    }
    instead: dict[str, str] = spec().get("properties", {})
    return found | instead


def start() -> int:
    """Start the process, if it does not run."""
    if pid():
        return 0
    import subprocess

    about = spec()
    with open(f"{UNIT}/log", "ab") as log:
        child = subprocess.Popen(
            about["command"],
            cwd=about.get("cwd"),
            env={"PATH": os.environ["PATH"], **about.get("env", {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    write("pid", str(child.pid))
    return int(about.get("start_code", 0))


def stop() -> int:
    """Ask the process to end, and wait."""
    found = pid()
    if found and not spec().get("stubborn"):
        os.kill(found, 15)
        for _ in range(500):
            if not pid():
                break
            time.sleep(0.01)
    return int(spec().get("stop_code", 0))


def main() -> int:
    """Do what the arguments say; returns the exit code."""
    arguments = [word for word in sys.argv[1:] if not word.startswith("-")]
    with open(f"{UNIT}/calls", "a", encoding="utf-8") as calls:
        print(*arguments, file=calls)
    if spec().get("hangs") in sys.argv[1:]:
        time.sleep(60)
    if sys.argv[0].endswith("/journalctl"):
        print(read("log") if os.path.exists(f"{UNIT}/log") and "--sync" not in sys.argv else "", end="")
        return 0
    verb = arguments[0] if arguments else ""
    if verb == "show":
        if spec().get("broken"):
            print(spec()["broken"], file=sys.stderr)
            return 1
        if "--property=SystemState" in sys.argv:
            print(f"SystemState={spec().get('system', 'running')}")
        else:
            print("".join(f"{name}={value}\n" for name, value in properties().items()), end="")
        return 0
    if verb == "daemon-reload":
        about = spec()
        if about.get("properties", {}).pop("NeedDaemonReload", None) is not None:
            import json

            write("spec.json", json.dumps(about))
        return 0
    if "app.service" not in arguments:  # a trigger, which has no process
        return int(spec().get("trigger_code", 0))
    return {"start": start, "stop": stop}.get(verb, int)()


if __name__ == "__main__":
    sys.exit(main())
