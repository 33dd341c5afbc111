"""The plan of a git checkout: which steps, in which order. A pure function of what `fsm_git.look` has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fsm.adapter import Backup, Draft, Step, Target
from fsm.errors import PlanError
from fsm.kit import MakePlaces, ServiceUnit, time_for
from fsm.model import Version
from fsm_git import limits, services
from fsm_git.examine import Examine
from fsm_git.fetch import Fetch
from fsm_git.finish import Retire, Tidy
from fsm_git.images import BuildImages, ForgetImages, KeepImages, UseImages
from fsm_git.inspect import Facts, GitInstalled
from fsm_git.keep import Keep
from fsm_git.layout import Layout
from fsm_git.look import MEBI
from fsm_git.own_copy import FetchApart, OwnCopy, TidyCopy
from fsm_git.products import BuildHere, NoteProducts, Products
from fsm_git.reset import Reset
from fsm_git.save_local import SaveLocal
from fsm_git.services import StartService, StopService
from fsm_git.site import GitStep, Site
from fsm_git.spec import Build, GitCheckoutSpec
from fsm_git.stage import BuildCommand, Stage
from fsm_git.take import Take
from fsm_git.verify import Verify

if TYPE_CHECKING:
    from fsm.formats.releases import Release


def update(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release) -> Draft:
    """The steps from the installed commit to a release.

    Raises:
        PlanError: the release is no commit.
    """
    commit, ref = limits.commit_of(target, release)
    way = _Way.to(target, spec, installed, commit)
    steps = [*_fetch(way, ref), *_rest(way, release.version, rewritten=spec.rewritten)]
    return _draft(way, steps)


def rollback(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, backup: Backup) -> Draft:
    """The steps back to a kept commit: no network, for it is in the repository.

    Raises:
        PlanError: its record is gone.
    """
    commit = _facts(installed).kept.get(str(backup.path))
    if commit is None:
        raise PlanError(f"cannot roll {target.name} back", f"{backup.path} is gone", "see `fsm doctor`")
    way = _Way.to(target, spec, installed, commit)
    note = "preserved files stay as they are now; a build runs again" if spec.build else "preserved files stay as now"
    return _draft(way, _rest(way, backup.version or Version("0"), rewritten="back"), note)


@dataclass(frozen=True)
class _Way:
    """From what is installed to a commit.

    Attributes:
        services: as they run now.
    """

    target: Target
    spec: GitCheckoutSpec
    installed: GitInstalled
    facts: Facts
    site: Site
    services: tuple[ServiceUnit, ...]

    @classmethod
    def to(cls, target: Target, spec: GitCheckoutSpec, installed: GitInstalled, commit: str) -> _Way:
        limits.refuse_engine(target, spec)
        facts = _facts(installed)
        site = Site(
            layout=Layout.of(target, spec),
            preserve=spec.preserve,
            submodules=spec.submodules,
            lock_wait=spec.lock_wait,
            had_repository=facts.had_repository,
            present=facts.present,
            old=installed.commit,
            new=commit,
        )
        return cls(target, spec, installed, facts, site, services.of(target, spec))


def _facts(installed: GitInstalled) -> Facts:
    assert installed.facts is not None, "the host looks before it asks for a draft"
    return installed.facts


def _draft(way: _Way, steps: list[Step], *notes: str) -> Draft:
    spec, facts = way.spec, way.facts
    reserve = spec.reserve_mb * MEBI
    user, tree = way.target.user, None if facts.present else spec.path
    places = [] if user is None else [MakePlaces(user=user, root=way.site.layout.root, tree=tree)]
    return Draft(
        steps=(*places, Keep(site=way.site, reserve=reserve), *steps),
        disk_need=((spec.path.parent, reserve + facts.preserved * (2 if spec.build else 1)),),
        preserved=spec.preserve,
        notes=(*facts.notes, *notes),
    )


def _fetch(way: _Way, ref: str) -> list[Step]:
    """How the commit comes here: straight, or by a copy of the updater's own if the checkout is somebody else's."""
    site, spec, facts, source = way.site, way.spec, way.facts, limits.source_of(way.target)
    tag = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else None
    new_tag = tag if facts.tag_is_new else None
    own = OwnCopy.of(way.target)
    if own is None:
        fetch = Fetch(
            site=site,
            url=source.url,
            source=source,
            ref=ref,
            new_tag=new_tag,
            submodule_hosts=spec.submodule_hosts,
            patience=spec.fetch_timeout,
            timeout=spec.fetch_timeout,
        )
        return [fetch]
    apart = FetchApart(
        own=own,
        source=source,
        ref=ref,
        new=site.new,
        submodules=spec.submodules,
        submodule_hosts=spec.submodule_hosts,
        has=site.old if facts.whole else None,
        modules=facts.modules,
        patience=spec.fetch_timeout,
        timeout=spec.fetch_timeout + 60,
    )
    return [apart, Take(site=site, url=source.url, ref=ref, new_tag=new_tag)]


def _rest(way: _Way, version: Version, *, rewritten: Literal["refuse", "reset", "back"]) -> list[Step]:
    """Everything behind the fetch; the same for both directions."""
    target, spec, site, units = way.target, way.spec, way.site, way.services
    examine = Examine(
        site=site,
        rewritten=rewritten,
        local_changes=spec.local_changes,
        required=spec.required,
    )
    old = None if way.installed.version is None else str(way.installed.version)
    before, between = _build(target, spec.build, site, way.facts)
    own = None if rewritten == "back" else OwnCopy.of(target)
    return [
        examine,
        *before,
        StopService(services=units, flush=(spec.path.parent,)),
        SaveLocal(site=site, local_changes=spec.local_changes, copies=spec.copies),
        Reset(site=site, copies=spec.copies),
        *between,
        StartService(services=units),
        Verify(
            site=site,
            target=target,
            spec=spec,
            services=units,
            version=version,
            timeout=60.0 + time_for(spec.post_checks) + len(units) * (30.0 + spec.settle_seconds),
        ),
        Retire(layout=site.layout, from_version=old, commit=site.old),
        Tidy(layout=site.layout, retention=spec.retention, site=site),
        *([ForgetImages(site=site)] if spec.build and spec.build.compose else []),
        *([] if own is None else [TidyCopy(own=own)]),
    ]


def _build(target: Target, build: Build | None, site: Site, facts: Facts) -> tuple[list[GitStep], list[GitStep]]:
    """The steps of the build before the stop, and those after the reset."""
    if build is None:
        # With git-lfs the content of files comes with a checkout: with this one, not with the one during the downtime.
        return [Stage(site=site)] if facts.lfs else [], []
    timeout = build.timeout + 60
    if build.compose is not None:
        project = build.project or target.name
        keep = KeepImages(site=site, build=build, project=project)
        making = BuildImages(site=site, build=build, project=project, timeout=timeout)
        return [Stage(site=site), keep, making], [UseImages(site=site)]
    products: list[GitStep] = [Products(site=site, build=build)] if build.products else []
    noted: list[GitStep] = [NoteProducts(site=site, build=build)] if build.products else []
    if build.where == "checkout":
        return noted, [*products, BuildHere(site=site, build=build, timeout=timeout)]
    return [Stage(site=site), BuildCommand(site=site, build=build, timeout=timeout), *noted], products
