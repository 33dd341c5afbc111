"""What `fsm update` would install now, and what keeps it from that: decided here for status, check, plan and update.

It imports neither the configuration nor signatures: `fsm status` asks it before either is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fsm.errors import BlockedBy
from fsm.host.selection import Objection, Selection, select

if TYPE_CHECKING:
    from fsm.engine.journal.policy import Policy
    from fsm.sources.base import Announced
    from fsm.versions import Version


class Offers(NamedTuple):
    """What is offered to one component.

    Args:
        policy: the host's holds, pins and quarantine.
        component: its name.
        prereleases: whether it takes pre-releases.
        untrusted: why none of its releases can be believed, from the configuration; None if they can.
        withdrawn: why nobody should install a version; None if nothing is known against it.
    """

    policy: Policy
    component: str
    prereleases: bool
    untrusted: str | None
    withdrawn: Callable[[Version], str | None]

    def objection(self) -> Objection | None:
        """What speaks against every update of the component, whatever its source has."""
        held = self.policy.held(self.component)
        if held is not None:
            return Objection(
                BlockedBy.HELD, f"updates have been held since {held[0][:16]}: {held[1] or 'no reason given'}"
            )
        return None if self.untrusted is None else Objection(BlockedBy.UNTRUSTED, self.untrusted)

    def choose(
        self,
        releases: Sequence[Announced],
        installed: Version | None,
        *,
        wanted: Version | None = None,
        force: bool = False,
    ) -> Selection:
        """The release to install, as far as the list of releases tells.

        Args:
            releases: from the source.
            installed: None if it is unknown.
            wanted: the version that somebody asked for by name.
            force: although the version failed here. What was withdrawn is not chosen by itself even so.

        Raises:
            UsageError: the pin cannot be read.
        """
        return select(
            releases,
            installed=installed,
            prereleases=self.prereleases,
            pin=self.policy.pin(self.component),
            against=lambda version: self._against(version, force=force),
            wanted=wanted,
        )

    def _against(self, version: Version, *, force: bool) -> Objection | None:
        why = self.withdrawn(version)
        if why is not None:
            return Objection(BlockedBy.WITHDRAWN, why)
        failed = None if force else self.policy.blocks(self.component, version)
        return None if failed is None else Objection(BlockedBy.QUARANTINED, failed)

    def now(self, releases: Sequence[Announced], installed: Version | None) -> Selection:
        """What `fsm update` would install now; see `choose`."""
        found, objection = self.choose(releases, installed), self.objection()
        if objection is None:
            return found
        return found._replace(chosen=None, blocked=objection.by, reason=f"{found.reason}; {objection.why}")

    def unknown(self) -> Selection:
        """The offer before the source was asked for the first time."""
        objection = self.objection()
        return Selection(None, None, objection.why if objection else "", objection.by if objection else None)


def told(found: Selection) -> dict[str, Any]:
    """An offer with the keys of `fsm.engine.report.Offered`."""
    return {
        "latest": None if found.latest is None else str(found.latest.version),
        "update_available": found.chosen is not None,
        "target": None if found.chosen is None else str(found.chosen.version),
        "blocked": found.blocked,
        "reason": found.reason or None,
    }
