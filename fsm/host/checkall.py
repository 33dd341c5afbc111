"""One check of many components: servers are asked at the same time, and each question once.

Only the asking is parallel. What is installed is asked of one component after the other, because that runs programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from fsm.errors import FsmError
from fsm.host.checking import CheckResult
from fsm.host.context import Host
from fsm.sources import Cached, GitHubSpec, HttpSpec, Listing, SourceSpec, sharing

AT_ONCE: Final = 8
"""Questions at the same time; GitHub asks for restraint, and a home router has little room for more."""


def check_all(host: Host, sources: Mapping[str, SourceSpec], *, force: bool) -> list[CheckResult]:
    """Check components; one that fails stops no other, its result says why.

    Args:
        host: theirs.
        sources: by component, in the order of the results.
        force: believe no earlier answer, however young.
    """
    remote = [name for name, spec in sources.items() if isinstance(spec, GitHubSpec | HttpSpec)]
    with sharing(), ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {name: pool.submit(_ask, host, name, force) for name in remote}
        return [_judge(host, name, force, asked[name].result() if name in asked else None) for name in sources]


def _ask(host: Host, name: str, force: bool) -> Cached | Listing | FsmError:
    """In a thread of its own, so with a journal of its own."""
    try:
        with host.looking() as journal:
            return host.checking(name, journal).ask(force=force)
    except FsmError as error:
        return error


def _judge(host: Host, name: str, force: bool, known: Cached | Listing | FsmError | None) -> CheckResult:
    try:
        if isinstance(known, FsmError):
            raise known
        with host.looking() as journal:
            checking = host.checking(name, journal)
            return checking.judge(known or checking.ask(force=force))
    except FsmError as error:
        return CheckResult(component=name, reason="the check failed", error=str(error))
