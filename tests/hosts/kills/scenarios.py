"""The list of scenarios: a new one is one file, and one line here."""

from __future__ import annotations

from typing import Final

from tests.hosts.kills.agent import Agent
from tests.hosts.kills.bare_compose import BareCompose
from tests.hosts.kills.container import Container
from tests.hosts.kills.document000 import Document000
from tests.hosts.kills.git import GitCheckout
from tests.hosts.kills.product import Product
from tests.hosts.kills.python_app import PythonApp
from tests.hosts.kills.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    PythonApp(),
    Container(),
    GitCheckout(),
    Agent(),
    Product(),
    BareCompose(),
    Document000(),
)
"""In the order of the report."""
