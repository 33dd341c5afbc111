"""Who else may write to a component's tree: `fsm doctor` names them, and a plan refuses what cannot go well."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath

from fsm.adapter import Finding, Target
from fsm.errors import PlanError
from fsm.kit.doctor import Findings
from fsm.system import inventory, trusted
from fsm.system.characters import printable
from fsm.system.files import Patterns
from fsm.system.users import can_become_others, owner_of


def doubt_about(target: Target | None, tree: Path, place: Path) -> trusted.Doubt | None:
    """Who else may write what root would use by itself; None if nobody may, or if root uses nothing.

    A user who owns the tree, or what is above it, is either whom it is touched as, or trusted like root by `run_as`.

    Args:
        target: the component; None where only root's own process asks.
        tree: the component's.
        place: that, something in it, or something beside it.
    """
    if target is not None and target.user is not None:
        return None
    if not can_become_others() or owner_of(tree) != 0:
        return None
    return trusted.doubt(place)


def refuse_shared(target: Target, tree: Path, root: Path) -> None:
    """Refuse a tree or a work directory that others may write, if root would use by itself what is in it.

    Args:
        target: the component.
        tree: its own.
        root: its work directory.

    Raises:
        PlanError: with the remedies.
    """
    for place in (tree, root):
        doubt = doubt_about(target, tree, place)
        if doubt is not None and doubt.place == place:
            what = f"cannot update {target.name}"
            raise PlanError(what, f"{doubt.why}, and root would use what is in it", f"{doubt.todo}, or set run_as")


def refuse_foreign(target: Target, tree: Path, preserve: Patterns) -> None:
    """Refuse a tree, or preserved files in it, of others than the user as whom they are copied: only root could.

    Args:
        target: the component.
        tree: its own.
        preserve: what is copied.

    Raises:
        PlanError: with the remedies.
    """
    if target.user is None or not tree.is_dir():
        return
    user = target.user.uid
    for path in chain((PurePosixPath(),), preserve.find(tree)):
        try:
            owner = os.lstat(tree / path).st_uid
        except OSError:  # what runs there removes files at any time
            continue
        if owner != user:
            place = printable(tree / path)
            raise PlanError(
                f"cannot update {target.name}",
                f"{place} belongs to user {owner}, and user {user} cannot keep it as it is",
                f"`chown {user} {place}`, or set run_as",
            )


def owner_findings(target: Target, tree: Path, say: Findings) -> Iterator[Finding]:
    """What owners and modes mean for an update."""
    if not tree.is_dir() or (target.user is None and not can_become_others()):
        return
    user = 0 if target.user is None else target.user.uid
    above = tree.parent.stat()
    if above.st_uid not in (0, user):
        message = f"{tree.parent} belongs to {trusted.user(above.st_uid)}, who can put something else in its place"
        yield say.warning(message, f"`chown {user} {tree.parent}`")
    elif above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        message = f"every user may write to {tree.parent}, and put something else in place of {tree.name}"
        yield say.warning(message, f"`chmod o-w {tree.parent}`")
    others, open_to_all = _strange(tree, user)
    if others:
        path, owner = others[0]
        more = f", and {len(others) - 1} more to such users" if len(others) > 1 else ""
        message = f"{printable(path)} belongs to {trusted.user(owner)}{more}; it is touched as {trusted.user(user)}"
        yield say.warning(message, f"`chown -R {user} {tree}`, unless that is intended")
    if open_to_all:
        more = f" and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        yield say.warning(f"every user may write to {printable(open_to_all[0])}{more}", f"`chmod -R o-w {tree}`")


def _strange(tree: Path, user: int) -> tuple[list[tuple[str, int]], list[str]]:
    """What belongs to others than the user, topmost only, and what everybody may write."""
    others: list[tuple[str, int]] = []
    open_to_all: list[str] = []
    for entry in inventory.scan(tree, hash=False):
        below = any(entry.path.startswith(f"{path}/") for path, _ in others[-1:])
        if entry.uid != user and not below:
            others.append((entry.path, entry.uid))
        if entry.kind in ("file", "dir") and entry.mode & stat.S_IWOTH and not entry.mode & stat.S_ISVTX:
            open_to_all.append(entry.path)
    return others, open_to_all
