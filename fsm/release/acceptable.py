"""Refuses to publish what hosts would refuse: what is published stays as it is, so its version would be used up.

Apart from `build`, which gives the same bytes whenever it runs: only who publishes asks what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fsm.formats.manifest import parse
from fsm.formats.trust import KEYRING, SIGNATURE, moment
from fsm.release.build import Built
from fsm.release.problems import ReleaseError


def acceptable(built: Built, beside: Iterable[str], now: datetime, *, draft: bool) -> None:
    """Look whether hosts would install it now.

    Args:
        built: the release.
        beside: the names of other files that are published with it.
        now: in UTC.
        draft: whether a person goes on with it, and may sign it by hand.

    Raises:
        ReleaseError: they would not; with the line that says so.
    """
    _not_over(built, now)
    if not draft:
        _signed(built, set(beside))


def _not_over(built: Built, now: datetime) -> None:
    prepared = built.prepared
    for number, rule in prepared.components:
        name = prepared.manifest_name(rule.name)
        until = parse(built.manifests[name], name).expires_at
        if until is not None and moment(until) <= now:
            why = f"hosts would refuse this release: it expired at {until}, because its commit is old"
            todo = "tag a newer commit; the days count from the commit"
            raise ReleaseError(prepared.source.spot("components", number, "expires_after_days"), why, todo)


def _signed(built: Built, beside: set[str]) -> None:
    """Whoever has a keyring has hosts that pin its root key."""
    unsigned = [name for name in built.manifests if name + SIGNATURE not in {*built.trust, *beside}]
    has_ring = KEYRING in built.trust or (built.prepared.source.root / KEYRING).is_file()
    if unsigned and has_ring:
        why = f"hosts would refuse this release: there is a {KEYRING}, and no key has signed {unsigned[0]}"
        todo = "give --key FILE, or its content in $FSM_SIGNING_KEY (is the secret there?), or --add a signature"
        raise ReleaseError(built.prepared.source.spot("components"), why, todo)
