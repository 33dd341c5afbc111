"""A verb of the real `Updater` to be traced: ``python -m tests.crash.traced ROOT SCENARIO VERB POINTS``.

Writes each fault point at which all is synced into the file POINTS as it is reached, and at last how it has ended.
"""

from __future__ import annotations

import os
import sys

from fsm.adapter import Registry
from fsm.system import faults
from tests.app_fixture import AppFixture
from tests.crash.child import VERBS, on_its_host


def main(root: str, scenario: str, verb: str, points: str) -> None:
    """Do it."""
    AppFixture.registry = Registry.discover()
    app_fixture = on_its_host({"root": root, "scenario": scenario, "start": False})
    file = os.open(points, os.O_WRONLY | os.O_APPEND)

    def reached(name: str) -> None:
        if name.startswith("step.after_") or name.endswith(".synced"):
            os.write(file, f"{name}\n".encode())

    faults.install(reached)
    results = VERBS[verb](app_fixture.updater())
    os.write(file, f"ended {results[-1].outcome}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
