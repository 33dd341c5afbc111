#!/usr/bin/env python3
"""A stand-in for `systemctl` and `journalctl` where no systemd runs: one real process, its state in files.

It speaks what the manager asks for (`show` in properties, exit codes), so that every way through the manager is tried
on every machine, killed at every fault point too. What systemd itself does with that is tried in `tests/hosts`.

    $UNIT_DIR/spec.json    {"command": [...], "cwd": ..., "env": {...}} and properties that are to be said instead
    $UNIT_DIR/pid          the process that runs
    $UNIT_DIR/calls        one line for each call
    $UNIT_DIR/log          what the process writes
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

UNIT = Path(os.environ["UNIT_DIR"])


def spec() -> dict[str, Any]:
    """What the unit is."""
    found: dict[str, Any] = json.loads((UNIT / "spec.json").read_text())
    return found


def pid() -> int:
    """The process, if it lives (a dead one that nobody reaped does not)."""
    try:
        found = int((UNIT / "pid").read_text())
        state = Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else found


def properties() -> dict[str, str]:
    """What is true of the unit, and what is to be said instead."""
    running = pid()
    began = (UNIT / "pid").stat().st_mtime if running else 0.0
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
    about = spec()
    with (UNIT / "log").open("ab") as log:
        child = subprocess.Popen(
            about["command"],
            cwd=about.get("cwd"),
            env={"PATH": os.environ["PATH"], **about.get("env", {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (UNIT / "pid.new").write_text(str(child.pid))
    (UNIT / "pid.new").replace(UNIT / "pid")
    return int(about.get("start_code", 0))


def stop() -> int:
    """Ask the process to end, and wait."""
    found = pid()
    if found and not spec().get("stubborn"):
        os.kill(found, signal.SIGTERM)
        for _ in range(500):
            if not pid():
                break
            time.sleep(0.01)
    return int(spec().get("stop_code", 0))


def main() -> int:
    """Do what the arguments say; returns the exit code."""
    arguments = [word for word in sys.argv[1:] if not word.startswith("-")]
    with (UNIT / "calls").open("a") as calls:
        print(*arguments, file=calls)
    if spec().get("hangs") in sys.argv[1:]:
        time.sleep(60)
    if Path(sys.argv[0]).name == "journalctl":
        print((UNIT / "log").read_text() if (UNIT / "log").exists() and "--sync" not in sys.argv else "", end="")
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
        about.get("properties", {}).pop("NeedDaemonReload", None)
        (UNIT / "spec.json").write_text(json.dumps(about))
        return 0
    if "app.service" not in arguments:  # a trigger, which has no process
        return int(spec().get("trigger_code", 0))
    return {"start": start, "stop": stop}.get(verb, int)()


if __name__ == "__main__":
    sys.exit(main())
