"""Performs the checks of `fsm.formats.checkspec`: each measures the real thing and says what it measured."""

from fsm.services.checks.context import CheckContext, Outcome
from fsm.services.checks.perform import perform

__all__ = ["CheckContext", "Outcome", "perform"]
