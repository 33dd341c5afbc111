"""Performs the checks that `fsm.checkspec` describes. Each one measures the real thing and says what it measured."""

from fsm.checks.context import CheckContext, Outcome
from fsm.checks.perform import perform

__all__ = ["CheckContext", "Outcome", "perform"]
