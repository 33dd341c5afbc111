"""Which of the announced releases to install. Pure: lists and versions in, a decision with its reason out.

The rules, each a test:

1. The highest version wins, not the first listed; equal versions (``v1.2.3``, ``1.2.3+build``) are no update.
2. Drafts never. Pre-releases (marked so, or so by their form) by choice, or where the pin names one.
3. Never back: an installed version newer than every candidate stays; only `wanted` goes back.
4. A pin holds, also against `wanted`: the pin is lifted first, or not at all.
5. A version that something speaks against (it failed here, it was withdrawn) is passed over with its reason;
   `wanted` takes it.
6. An unknown installed version is said to be unknown; it is never called outdated.
7. The end of a branch that is followed (`Announced.head`) has no order: it is the one to have, before or after the
   installed one; rules 4 to 6 hold for it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from fsm.errors import BlockedBy, UsageError
from fsm.versions import Version

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from fsm.sources.base import Announced


class Objection(NamedTuple):
    """What speaks against an update: the kind, and a sentence for people."""

    by: BlockedBy
    why: str


Against = Callable[[Version], Objection | None]
"""Says why a version is not to be installed by itself, or None."""


class Selection(NamedTuple):
    """The decision.

    Attributes:
        chosen: the release to install; None if there is nothing to do.
        latest: the highest release that the component could have if nothing were installed, pinned or objected to.
        reason: one sentence for people, whatever the decision is.
        blocked: why nothing is chosen although `latest` is newer than what is installed; None if that is not so.
    """

    chosen: Announced | None
    latest: Announced | None
    reason: str
    blocked: BlockedBy | None = None


class Pin(NamedTuple):
    """Versions that a component is held to: exactly one, or those of a specifier (``~=1.4``, ``<2``)."""

    text: str
    exact: Version | None
    range: SpecifierSet | None

    @classmethod
    def parse(cls, text: Version | str | None) -> Pin | None:
        """The pin that a configuration or a command names; an empty text pins nothing.

        Raises:
            UsageError: the text is neither a version nor a specifier.
        """
        if text is None or text == "":
            return None
        exact = text if isinstance(text, Version) else Version.parse(text)
        if exact is not None:
            return cls(str(text), exact, None)
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - 8 ms, for ranges only

        try:
            return cls(str(text), None, SpecifierSet(str(text)))
        except InvalidSpecifier as error:
            raise UsageError(
                f"cannot pin to {str(text)!r}",
                "it is neither a version nor a version specifier",
                "write it like 1.4.2, ~=1.4 or <2 (https://packaging.python.org/specifications/version-specifiers/)",
            ) from error

    def allows(self, version: Version) -> bool:
        """Whether the pin lets a version in; pre-releases are not its business."""
        if self.exact is not None:
            return version == self.exact
        return self.range is None or self.range.contains(version.pep440, prereleases=True)

    @property
    def names_prerelease(self) -> bool:
        """Whether the pin itself speaks of a pre-release, and so is the choice to have one."""
        if self.exact is not None:
            return self.exact.is_prerelease
        return self.range is not None and bool(self.range.prereleases)


def select(
    listing_releases: Sequence[Announced],
    *,
    installed: Version | None,
    prereleases: bool,
    pin: Version | str | None,
    against: Against,
    wanted: Version | None = None,
) -> Selection:
    """Choose a release.

    Args:
        listing_releases: from the source, in any order.
        installed: None if it is unknown.
        prereleases: whether this component takes pre-releases.
        pin: a version or a specifier that holds the component.
        against: why a version is not installed by itself, e.g. because it failed before.
        wanted: the version that somebody asked for by name.

    Raises:
        UsageError: the pin cannot be read.
    """
    held = Pin.parse(pin)
    published = sorted((release for release in listing_releases if not release.draft), key=_rank, reverse=True)
    by_choice = [release for release in published if prereleases or not is_prerelease(release)]
    allowed = _allowed(published, by_choice, held)
    latest = max((*by_choice[:1], *allowed[:1]), key=_rank, default=None)
    if wanted is not None:
        return _choose_wanted(wanted, listing_releases, published, held, installed, latest)
    if not allowed:
        chosen, reason = None, _why_nothing(published, by_choice, held)
    else:
        chosen, reason = _choose_highest(allowed, installed, against, held)
    blocked = None if chosen else _blocked(latest, installed, held, against)
    return Selection(chosen=chosen, latest=latest, reason=reason, blocked=blocked)


def is_prerelease(release: Announced) -> bool:
    """Whether a release is a pre-release, by its mark or by its version's form. A branch's end has no such form."""
    return release.prerelease or (release.version.is_prerelease and not release.head)


def supersedes(release: Announced, installed: Version | None) -> bool:
    """Whether a release is what a component with that version should go on to."""
    if installed is None:
        return True
    return release.version != installed if release.head else release.version > installed


def find(releases: Sequence[Announced], version: Version) -> Announced | None:
    """The published release of a version, whatever its order in the list; None if there is none."""
    return max((one for one in releases if one.version == version and not one.draft), key=_rank, default=None)


def _rank(release: Announced) -> tuple[Version, bool, str, str]:
    """The order of releases. Beyond the version it only makes one listing of two equal ones always win."""
    return release.version, not release.prerelease, release.tag, release.notes


def _allowed(published: list[Announced], by_choice: list[Announced], pin: Pin | None) -> list[Announced]:
    if pin is None:
        return by_choice
    return [release for release in (published if pin.names_prerelease else by_choice) if pin.allows(release.version)]


def _choose_highest(
    allowed: list[Announced], installed: Version | None, against: Against, pin: Pin | None
) -> tuple[Announced | None, str]:
    """The highest allowed release above the installed version that nothing speaks against."""
    skipped: dict[Version, str] = {}
    for release in allowed:
        if not supersedes(release, installed):
            break
        objection = against(release.version)
        if objection is None:
            return release, _sentence(_why_chosen(release, installed, pin), skipped)
        skipped.setdefault(release.version, f"skipped {release.version}: {objection.why}")
    return None, _sentence(_why_none(allowed[0], installed, pin, bool(skipped)), skipped)


def _choose_wanted(
    wanted: Version,
    releases: Sequence[Announced],
    published: list[Announced],
    pin: Pin | None,
    installed: Version | None,
    latest: Announced | None,
) -> Selection:
    found = find(published, wanted)
    if found is None:
        is_draft = any(release.version == wanted for release in releases)
        why = f"{wanted} is a draft, not published yet" if is_draft else f"the source has no release {wanted}"
        return Selection(None, latest, why)
    if pin is not None and not pin.allows(wanted):
        return Selection(None, latest, f"the pin {pin.text} does not allow {wanted}", BlockedBy.PINNED)
    if installed is not None and found.version == installed:
        return Selection(None, latest, f"{installed} is installed already")
    return Selection(found, latest, f"{found.version} was requested")


def _blocked(
    latest: Announced | None, installed: Version | None, pin: Pin | None, against: Against
) -> BlockedBy | None:
    """What keeps the newest release from being chosen; None if it is no newer than what is installed."""
    if latest is None or not supersedes(latest, installed):
        return None
    if pin is not None and not pin.allows(latest.version):
        return BlockedBy.PINNED
    objection = against(latest.version)
    return None if objection is None else objection.by


def _why_chosen(release: Announced, installed: Version | None, pin: Pin | None) -> str:
    if installed is None:
        what = f"where {release.tag} is" if release.head else f"the newest release{_that_pin(pin)}"
        return f"the installed version is unknown, {release.version} is {what}"
    if release.head:
        return f"{release.tag} is at {release.version}, installed is {installed}"
    return f"{release.version} is newer than the installed {installed}{_that_pin(pin, ' and allowed by the pin')}"


def _why_none(newest: Announced, installed: Version | None, pin: Pin | None, skipped: bool) -> str:
    best = newest.version
    if installed is None:
        return "the installed version is unknown, and there is no release to try"
    if skipped:
        return f"{installed} stays"
    if newest.head:
        return f"{installed} is where {newest.tag} is"
    if best < installed:
        last = f"{best}, the newest release{_that_pin(pin, ' allowed by the pin')}"
        return f"the installed {installed} is newer than {last}; an update never goes back"
    return f"{installed} is the newest release{_that_pin(pin)}"


def _why_nothing(published: list[Announced], by_choice: list[Announced], pin: Pin | None) -> str:
    if not published:
        return "the source has no published release"
    if pin is not None:
        return f"no release matches the pin {pin.text}"
    return "the source has pre-releases only, and this component does not take them" if not by_choice else ""


def _that_pin(pin: Pin | None, how: str = " that matches the pin") -> str:
    return f"{how} {pin.text}" if pin is not None else ""


def _sentence(head: str, skipped: dict[Version, str]) -> str:
    return "; ".join((head, *skipped.values()))
