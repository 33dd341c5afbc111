"""A process that does one verb of the real `Updater`, and kills itself with SIGKILL at a fault point.

``python -m tests.containers.child`` reads a request from its input: a configuration, a verb, and perhaps a fault point
with the number of times that it is reached before it kills. It answers with the points that it came to, and what the
verb returned.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from fsm.system import faults
from fsm.updater import Updater

ROOT: Final = Path(__file__).resolve().parents[2]
KILLED: Final = -9


def main() -> None:
    """Do what the input says."""
    request = json.load(sys.stdin)
    point, times = request["kill"] or ("", 0)
    counts: Counter[str] = Counter()
    trail: list[str] = []

    def reached(name: str) -> None:
        counts[name] += 1
        trail.append(name)
        if name == point and counts[name] == times:
            os.kill(os.getpid(), signal.SIGKILL)

    updater = Updater.from_data(request["config"])
    faults.install(reached)
    verb = request["verb"]
    results = updater.resume() if verb == "resume" else [getattr(updater, verb)("web")]
    faults.install(None)
    answer = {"trail": trail, "results": [json.loads(result.model_dump_json()) for result in results]}
    print(json.dumps(answer))


def ask(config: dict[str, Any], verb: str, kill: tuple[str, int] | None = None) -> dict[str, Any] | None:
    """Have a new process do a verb.

    Returns:
        What it answered; None when it killed itself.
    """
    request = json.dumps({"config": config, "verb": verb, "kill": kill})
    argv = [sys.executable, "-m", "tests.containers.child"]
    done = subprocess.run(argv, input=request, capture_output=True, text=True, timeout=110, check=False, cwd=ROOT)
    assert done.returncode in (0, KILLED), done.stderr[-3000:]
    answer: dict[str, Any] | None = None if done.returncode == KILLED else json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
