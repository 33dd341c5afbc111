"""The plan of a git checkout: which steps, in which order. Looks at the host, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from fsm.adapter import Backup, Draft, Step, Target
from fsm.errors import CommandFailed, PlanError
from fsm.formats.releases import Release
from fsm.kit import ServiceUnit, bytes_matched, read_record, time_for
from fsm.model import Version
from fsm.system import files
from fsm_git import changes, checkout_facts, inspect, limits, repository, services, submodule_changes
from fsm_git.examine import Examine
from fsm_git.fetch import Fetch
from fsm_git.finish import BackupRecord, Retire, Tidy
from fsm_git.images import BuildImages, ForgetImages, KeepImages, UseImages
from fsm_git.inspect import GitInstalled
from fsm_git.keep import Keep
from fsm_git.layout import Layout
from fsm_git.products import BuildHere, NoteProducts, Products
from fsm_git.reset import Reset
from fsm_git.save_local import SaveLocal
from fsm_git.services import StartService, StopService
from fsm_git.site import GitStep, Site
from fsm_git.spec import Build, GitCheckoutSpec
from fsm_git.stage import BuildCommand, Stage
from fsm_git.verify import Verify

MEBI = 1 << 20

NOTABLE = 64 * MEBI
"""Bytes of preserved files from which on the plan says that copying them takes time."""


@dataclass(frozen=True)
class Facts:
    """What the plan has to know about the host."""

    had_repository: bool
    present: bool
    preserved: int
    tag_is_new: bool
    lfs: bool
    services: tuple[ServiceUnit, ...]
    notes: tuple[str, ...]


def look(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, ref: str | None) -> Facts:
    """Find out what is there.

    Raises:
        PlanError: the checkout is in a state from which no update should start.
    """
    inspect.refuse_unusable(target, spec)
    units = services.of(target, spec)
    present = spec.path.is_dir()
    preserved = bytes_matched(spec.path, files.Patterns(spec.preserve))
    costs = [f"{preserved // MEBI} MiB of preserved files are copied while the services are down"]
    notes = costs if preserved >= NOTABLE else []
    if not (spec.path / ".git").exists():
        what = "has no repository; one is created, and files that differ from the new commit count as local changes"
        notes += [f"{spec.path} {what}"] if present else []
        return Facts(False, present, preserved, ref is not None, False, units, tuple(notes))
    git = repository.open_checkout(spec.path)
    if installed.commit is None:
        inspect.refuse_without_commit(target, git)
    tag = ref if ref and ref.startswith("refs/tags/") else None
    if checkout_facts.is_detached(git):
        notes.append("HEAD is detached, and stays so")
    if checkout_facts.is_shallow(git):
        notes.append("the repository is shallow: what is older than its end cannot be compared")
    lfs = (
        installed.commit is not None and checkout_facts.has_lfs(git) and checkout_facts.uses_lfs(git, installed.commit)
    )
    if installed.commit is not None:
        notes += _local(target, spec, installed.commit)
    new_tag = tag is not None and git.commit(tag) is None
    return Facts(True, present, preserved, new_tag, lfs, units, tuple(notes))


def _local(target: Target, spec: GitCheckoutSpec, commit: str) -> list[str]:
    """Refuse, or tell of, files that were changed here. A damaged repository has no answer; fetching may mend it."""
    git = repository.open_checkout(spec.path)
    ours = partial(changes.ours, spec.preserve, spec.path)
    try:
        found = submodule_changes.local_changes(git, commit, ours, submodules=spec.submodules)
    except CommandFailed:
        return ["local changes can only be determined after fetching, because the repository is damaged"]
    changed = [path for path in found if not ours(path)]
    if not changed:
        return []
    if spec.local_changes == "refuse":
        raise PlanError(
            f"cannot update {target.name}",
            f"tracked files were changed here: {changes.named(changes.for_people(spec.path, changed))}",
            'commit or revert them, name them in `preserve`, or set local_changes = "save"',
        )
    return [f"changed here, and to be saved as a patch: {changes.named(changed)}"]


def update(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, release: Release, facts: Facts) -> Draft:
    """The steps from the installed commit to a release.

    Raises:
        PlanError: the release is no commit.
    """
    commit, ref = limits.commit_of(target, release)
    site = _site(target, spec, installed, facts, commit)
    tag = ref.removeprefix("refs/tags/") if ref.startswith("refs/tags/") else None
    fetch = Fetch(
        site=site,
        source=limits.source_of(target),
        ref=ref,
        new_tag=tag if facts.tag_is_new else None,
        submodule_hosts=spec.submodule_hosts,
        patience=spec.fetch_timeout,
        timeout=spec.fetch_timeout,
    )
    steps = [fetch, *_rest(target, spec, site, facts, release.version, installed, rewritten=spec.rewritten)]
    return _draft(spec, site, facts, steps)


def rollback(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, backup: Backup, facts: Facts) -> Draft:
    """The steps back to a kept commit: no network, for it is in the repository.

    Raises:
        PlanError: its record is gone.
    """
    record = read_record(backup.path, BackupRecord)
    if record is None:
        raise PlanError(f"cannot roll {target.name} back", f"{backup.path} is gone", "see `fsm doctor`")
    site = _site(target, spec, installed, facts, record.commit)
    steps = _rest(target, spec, site, facts, backup.version or Version("0"), installed, rewritten="back")
    note = "preserved files stay as they are now; a build runs again" if spec.build else "preserved files stay as now"
    return _draft(spec, site, facts, steps, note)


def _site(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, facts: Facts, new: str) -> Site:
    return Site(
        layout=Layout.of(target, spec),
        preserve=spec.preserve,
        submodules=spec.submodules,
        lock_wait=spec.lock_wait,
        had_repository=facts.had_repository,
        present=facts.present,
        old=installed.commit,
        new=new,
    )


def _draft(spec: GitCheckoutSpec, site: Site, facts: Facts, steps: list[Step], *notes: str) -> Draft:
    reserve = spec.reserve_mb * MEBI
    return Draft(
        steps=(Keep(site=site, reserve=reserve), *steps),
        disk_need=((spec.path.parent, reserve + facts.preserved * (2 if spec.build else 1)),),
        preserved=spec.preserve,
        notes=(*facts.notes, *notes),
    )


def _rest(
    target: Target,
    spec: GitCheckoutSpec,
    site: Site,
    facts: Facts,
    version: Version,
    installed: GitInstalled,
    *,
    rewritten: Literal["refuse", "reset", "back"],
) -> list[Step]:
    """Everything behind the fetch; the same for both directions."""
    examine = Examine(
        site=site,
        rewritten=rewritten,
        local_changes=spec.local_changes,
        required=spec.required,
    )
    old = None if installed.version is None else str(installed.version)
    before, between = _build(target, spec.build, site, facts)
    return [
        examine,
        *before,
        StopService(services=facts.services, flush=(spec.path.parent,)),
        SaveLocal(site=site, local_changes=spec.local_changes, copies=spec.copies),
        Reset(site=site, copies=spec.copies),
        *between,
        StartService(services=facts.services),
        Verify(
            site=site,
            target=target,
            spec=spec,
            services=facts.services,
            version=version,
            timeout=60.0 + time_for(spec.post_checks) + len(facts.services) * (30.0 + spec.settle_seconds),
        ),
        Retire(layout=site.layout, from_version=old, commit=site.old),
        Tidy(layout=site.layout, retention=spec.retention, site=site),
        *([ForgetImages(site=site)] if spec.build and spec.build.compose else []),
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
