"""The list of scenarios: a new one is one file, and one line here."""

from __future__ import annotations

from typing import Final

from tests.hosts.kills.python_app import PythonApp
from tests.hosts.kills.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (PythonApp(),)
"""In the order of the report."""
