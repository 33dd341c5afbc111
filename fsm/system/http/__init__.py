"""HTTP: single requests, and nothing that nobody asked for. The only importer of urllib3.

`Client` follows no redirect, retries nothing, asks no proxy, decodes nothing and waits for nothing without end. Whose
URL may be asked, what a status means and where a token goes are the rules of those who ask: the sources of releases
(`fsm.sources.web`) and the maintainer's question to a registry (`fsm.release.registry`).

The health check (`fsm.services.checks.health`) does not use `Client`, and says why its rules forbid that. PyGithub
brings a client of its own, for publishing only.
"""

from __future__ import annotations

from fsm.system.http.client import Client, Reply
from fsm.system.http.failures import Unanswered, explain

__all__ = ["Client", "Reply", "Unanswered", "explain"]
