"""As whom a component is touched: what `run_as` says, else the owner of its tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fsm.adapter import AnyAdapter, Target, User
from fsm.engine.worker import Workers
from fsm.system import users

if TYPE_CHECKING:
    from fsm.host.config import Component, Config

ROOT = "root"


def workers_of(config: Config) -> Workers:
    """What acts as components' users on this host, with those of the updater's variables that it may have."""
    names = config.settings.pass_environment
    return Workers({name: os.environ[name] for name in names if name in os.environ})


def target_of(component: Component, adapter: AnyAdapter) -> Target:
    """What the adapter works on, with the user whom it is touched as just now.

    Raises:
        ConfigError: this system has no user of that name.
    """
    user = _user(component, adapter)
    return component.target if user is None else component.target.model_copy(update={"user": user})


def _user(component: Component, adapter: AnyAdapter) -> User | None:
    """None where the updater is not root, where root owns the tree, and where its owner is trusted like root."""
    run_as = component.keys.run_as
    if not users.can_become_others() or run_as == ROOT:
        return None
    place = adapter.place(component.target, component.spec)
    if place is None:
        return None
    user = users.numbered(users.owner_of(place.absolute())) if run_as is None else users.named(run_as)
    return user if user.uid else None
