"""As whom a component is touched, and what an adapter is asked before a plan is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fsm.adapter import Draft, Installed, Registry, Release, Target, User
from fsm.errors import ConfigError
from fsm.host.component_users import target_of
from fsm.system import users
from fsm.updater import Updater
from tests.library.hosts import Notes, NoteSpec, data


class Facts(Installed):
    """What `look` has found."""

    seen: str = ""


class Looking(Notes):
    """Notes that have a tree, and that are looked at before a plan is made."""

    def place(self, target: Target, spec: NoteSpec) -> Path | None:
        """See `Adapter.place`."""
        return spec.path

    def look(self, target: Target, spec: NoteSpec, installed: Installed, release: Release | None) -> Facts:
        """See `Adapter.look`."""
        return Facts(version=installed.version, seen=f"before {release.version if release else 'a rollback'}")

    def draft(self, target: Target, spec: NoteSpec, installed: Installed, release: Release) -> Draft:
        """See `Adapter.draft`."""
        assert isinstance(installed, Facts)
        return super().draft(target, spec, installed, release).model_copy(update={"notes": (installed.seen,)})

    def draft_rollback(self, target: Target, spec: NoteSpec, installed: Installed, backup: Any) -> Draft:
        """See `Adapter.draft_rollback`."""
        assert isinstance(installed, Facts)
        return super().draft_rollback(target, spec, installed, backup).model_copy(update={"notes": (installed.seen,)})


def host(root: Path, **keys: object) -> Updater:
    """A host with one component."""
    return Updater.from_data(data(root, "a", a=keys), registry=Registry.of(Looking()))


def user(root: Path, **keys: object) -> User | None:
    """As whom its component is touched."""
    return target_of(host(root, **keys).config.component("a"), Looking()).user


def test_a_closer_look_comes_before_every_plan(root):
    """Of an update as of a rollback: the draft itself touches nothing."""
    updater = host(root)
    assert "before 1.1" in updater.plan("a").notes
    assert updater.rollback("a", to="0.9").run is not None
    plan = updater.show(1)[1]
    assert plan is not None
    assert plan.notes == ("before a rollback",)


def test_an_updater_that_is_not_root_is_the_only_user(root, monkeypatch):
    """Whatever the configuration says: it could not become anybody else."""
    monkeypatch.setattr(users, "can_become_others", lambda: False)
    assert user(root, run_as="nobody") is None


def test_the_owner_of_the_tree_is_the_user(root, monkeypatch):
    """Unless that is root, or `run_as` says otherwise."""
    monkeypatch.setattr(users, "can_become_others", lambda: True)
    monkeypatch.setattr(users, "owner_of", lambda path: 4242)
    assert user(root) == users.numbered(4242)
    assert user(root, run_as="nobody") == users.named("nobody")
    assert user(root, run_as=4243) == users.numbered(4243)
    assert user(root, run_as="root") is None
    assert user(root, run_as=0) is None
    monkeypatch.setattr(users, "owner_of", lambda path: 0)
    assert user(root) is None


def test_an_unknown_user_is_refused(root, monkeypatch):
    """Before anything is asked of the component."""
    monkeypatch.setattr(users, "can_become_others", lambda: True)
    with pytest.raises(ConfigError, match="cannot act as the user 'nobody-here'"):
        host(root, run_as="nobody-here").status()


def test_a_component_without_a_tree_belongs_to_the_updater(root, monkeypatch):
    """As containers do."""
    monkeypatch.setattr(users, "can_become_others", lambda: True)
    component = host(root, run_as="nobody").config.component("a")
    assert target_of(component, Notes()).user is None
