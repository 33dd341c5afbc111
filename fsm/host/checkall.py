"""One check of many components: servers are asked at the same time, and each question once.

Only the asking is parallel. What is installed is asked of one component after the other, because that runs programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from typing import Final

from fsm.engine.journal import Journal
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
    try:
        with ExitStack() as stack, sharing(), ThreadPoolExecutor(AT_ONCE) as pool:
            asked = {name: pool.submit(_ask, host, name, force) for name in remote}
            judge = _Judge(host, stack, force=force)
            return [judge.of(name, asked[name].result() if name in asked else None) for name in sources]
    except FsmError as error:  # the answers cannot be kept
        return [_failed(name, error) for name in sources]


def _failed(name: str, error: FsmError) -> CheckResult:
    return CheckResult(component=name, reason="the check failed", error=str(error))


def _ask(host: Host, name: str, force: bool) -> Cached | Listing | FsmError:
    """In a thread of its own, so with a journal of its own."""
    try:
        with host.looking() as journal:
            return host.checking(name, journal).ask(force=force)
    except FsmError as error:
        return error


class _Judge:
    """What answers mean for what is installed; by one journal, which takes longer to open than to read.

    Args:
        host: the components'.
        stack: closes the journal.
        force: believe no earlier answer.
    """

    def __init__(self, host: Host, stack: ExitStack, *, force: bool) -> None:
        self._host = host
        self._stack = stack
        self._force = force

    @cached_property
    def _journal(self) -> Journal:
        """Opened when it is first asked for, so that what is wrong with it is each component's result."""
        journal = self._stack.enter_context(self._host.looking())
        self._stack.enter_context(journal.policy.together())
        return journal

    def of(self, name: str, known: Cached | Listing | FsmError | None) -> CheckResult:
        """The result of one component."""
        try:
            if isinstance(known, FsmError):
                raise known
            checking = self._host.checking(name, self._journal)
            return checking.judge(known or checking.ask(force=self._force))
        except FsmError as error:
            return _failed(name, error)
