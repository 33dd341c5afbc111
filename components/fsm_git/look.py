"""A closer look before a plan is made: everything about the checkout that the plan has to know."""

from __future__ import annotations

from functools import partial

from fsm.adapter import Target
from fsm.errors import CommandFailed, PlanError
from fsm.kit import bytes_matched, refuse_foreign, refuse_shared
from fsm.system import files
from fsm_git import changes, checkout_facts, inspect, repository, submodule_changes
from fsm_git.command import Git
from fsm_git.finish import BackupRecord
from fsm_git.inspect import Facts, GitInstalled
from fsm_git.layout import Layout
from fsm_git.spec import GitCheckoutSpec

MEBI = 1 << 20

NOTABLE = 64 * MEBI
"""Bytes of preserved files from which on the plan says that copying them takes time."""


def look(target: Target, spec: GitCheckoutSpec, installed: GitInstalled, ref: str | None) -> Facts:
    """Find out what is there.

    Args:
        ref: the full name of the branch or tag of the release; None where there is none.

    Raises:
        PlanError: the checkout is in a state from which no update should start.
    """
    inspect.refuse_unusable(target, spec)
    present = spec.path.is_dir()
    refuse_foreign(target, spec.path, files.Patterns(spec.preserve))
    refuse_shared(target, spec.path, Layout.of(target, spec).root)
    preserved = bytes_matched(spec.path, files.Patterns(spec.preserve))
    costs = [f"{preserved // MEBI} MiB of preserved files are copied while the services are down"]
    notes = costs if preserved >= NOTABLE else []
    if not (spec.path / ".git").exists():
        what = "has no repository; one is created, and files that differ from the new commit count as local changes"
        notes += [f"{spec.path} {what}"] if present else []
        return Facts(
            had_repository=False, present=present, preserved=preserved, tag_is_new=ref is not None, notes=tuple(notes)
        )
    git = repository.open_checkout(spec.path)
    if installed.commit is None:
        inspect.refuse_without_commit(target, git)
    tag = ref if ref and ref.startswith("refs/tags/") else None
    return Facts(
        had_repository=True,
        present=present,
        preserved=preserved,
        tag_is_new=tag is not None and git.commit(tag) is None,
        lfs=_uses_lfs(git, installed),
        # Only who is handed the new commit has to say what is there already.
        whole=target.user is not None and checkout_facts.is_whole(git),
        modules={} if target.user is None else checkout_facts.modules_at(git),
        kept={str(path): record.commit for path, record in Layout.of(target, spec).records(BackupRecord)},
        notes=(*notes, *_peculiar(git), *_local(target, spec, git, installed.commit)),
    )


def _uses_lfs(git: Git, installed: GitInstalled) -> bool:
    commit = installed.commit
    return commit is not None and checkout_facts.has_lfs(git) and checkout_facts.uses_lfs(git, commit)


def _peculiar(git: Git) -> list[str]:
    notes = ["HEAD is detached, and stays so"] if checkout_facts.is_detached(git) else []
    if checkout_facts.is_shallow(git):
        notes.append("the repository is shallow: what is older than its end cannot be compared")
    return notes


def _local(target: Target, spec: GitCheckoutSpec, git: Git, commit: str | None) -> list[str]:
    """Refuse, or tell of, files that were changed here. A damaged repository has no answer; fetching may mend it."""
    if commit is None:
        return []
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
