"""A worker's process: a spare one that becomes the user, or one that is started as the user."""

from __future__ import annotations

from collections.abc import Mapping

from fsm.adapter import User
from fsm.engine import spare
from fsm.engine.spare import Ends
from fsm.engine.worker.protocol import pack
from fsm.system.processes import before_exec
from fsm.system.users import runs_as


def spared(user: User, adapter: str, environ: Mapping[str, str]) -> Ends | None:
    """A spare process that has been told whose it is; None if there is none.

    Args:
        user: as whom.
        adapter: ``module:Class`` of the adapter that it loads at once.
        environ: variables that it needs from its beginning: none that runs already can have them.
    """
    ends = None if environ or user.uid == 0 else spare.take()
    if ends is None:
        return None
    told = {"uid": user.uid, "gid": user.gid, "groups": list(user.groups), "environ": user.environment()}
    try:
        ends.socket.sendall(pack({**told, "adapter": adapter}))
    except OSError:  # it has just ended
        ends.close()
        return None
    return ends


def started(user: User, adapter: str, environ: Mapping[str, str]) -> Ends:
    """A process of the user's own from its beginning; whether it could be started, `Ends.launched` says.

    Args:
        user: as whom.
        adapter: ``module:Class`` of the adapter that it loads at once.
        environ: variables to add to its environment.
    """
    options = {"env": user.environment(environ), "preexec_fn": before_exec(), **runs_as(user)}
    return spare.launch([adapter], user.name, **options)
