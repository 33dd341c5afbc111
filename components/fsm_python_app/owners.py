"""Who else may write to an app: `fsm doctor` names them, because what they write is run, copied or deleted."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from fsm.adapter import Finding, Target
from fsm.kit import Findings
from fsm.system import inventory, trusted
from fsm.system.users import can_become_others, owner_of
from fsm_python_app.layout import printable


def doubt(target: Target | None, live: Path, place: Path) -> trusted.Doubt | None:
    """Who else may write what root would use by itself; None if nobody may, or if root uses nothing.

    A user who owns the tree, or what is above it, is either whom it is touched as, or trusted like root by `run_as`.

    Args:
        target: the component; None where only root's own process asks.
        live: the app's directory.
        place: that, something in it, or something beside it.
    """
    if target is not None and target.user is not None:
        return None
    if not can_become_others() or owner_of(live) != 0:
        return None
    return trusted.doubt(place)


def findings(target: Target, live: Path, say: Findings) -> Iterator[Finding]:
    """What owners and modes mean for an update."""
    if not live.is_dir() or (target.user is None and not can_become_others()):
        return
    user = 0 if target.user is None else target.user.uid
    above = live.parent.stat()
    if above.st_uid not in (0, user):
        message = f"{live.parent} belongs to {trusted.user(above.st_uid)}, who can put another app in its place"
        yield say.warning(message, f"`chown {user} {live.parent}`")
    elif above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        message = f"every user may write to {live.parent}, and put another app in its place"
        yield say.warning(message, f"`chmod o-w {live.parent}`")
    others, open_to_all = _strange(live, user)
    if others:
        path, owner = others[0]
        more = f", and {len(others) - 1} more to such users" if len(others) > 1 else ""
        message = (
            f"{printable(path)} belongs to {trusted.user(owner)}{more}; the app is touched as {trusted.user(user)}"
        )
        yield say.warning(message, f"`chown -R {user} {live}`, unless that is intended")
    if open_to_all:
        more = f" and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        message = f"every user may write to {printable(open_to_all[0])}{more}"
        yield say.warning(message, f"`chmod -R o-w {live}`")


def _strange(live: Path, user: int) -> tuple[list[tuple[str, int]], list[str]]:
    """What belongs to others than the user, topmost only, and what everybody may write."""
    others: list[tuple[str, int]] = []
    open_to_all: list[str] = []
    for entry in inventory.take(live, hash=False):
        below = any(entry.path.startswith(f"{path}/") for path, _ in others[-1:])
        if entry.uid != user and not below:
            others.append((entry.path, entry.uid))
        if entry.kind in ("file", "dir") and entry.mode & stat.S_IWOTH and not entry.mode & stat.S_ISVTX:
            open_to_all.append(entry.path)
    return others, open_to_all
