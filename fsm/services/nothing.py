"""Manager ``none``: a component without a service of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fsm.model import Model
from fsm.services.base import Runner, ServiceManager, ServiceStatus
from fsm.system.users import User


class NoService(Model):
    """Nothing to start or stop."""

    manager: Literal["none"] = "none"

    def open(self, name: str, state_dir: Path, user: User | None) -> ServiceManager:
        """The manager that has nothing to do."""
        return Nothing(name)


class Nothing:
    """Always active: an update never waits for it.

    Args:
        name: the component's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def status(self) -> ServiceStatus:
        """Active, because nothing is missing."""
        return ServiceStatus(active=True, detail="this component has no service")

    def start(self, ctx: Runner) -> None:
        """Do nothing."""

    def stop(self, ctx: Runner) -> None:
        """Do nothing."""

    def log_tail(self, lines: int = 20) -> str:
        """Nothing."""
        return ""
