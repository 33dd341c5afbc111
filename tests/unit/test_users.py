"""Who a component's user is, and what of the updater's environment such a process gets."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from fsm.errors import ConfigError
from fsm.system import users

SELF = pwd.getpwuid(os.getuid())

UNKNOWN = next(number for number in range(42_000, 43_000) if number not in {each.pw_uid for each in pwd.getpwall()})


def test_a_user_is_found_by_name_and_by_number():
    """With all of the groups that logging in would give."""
    user = users.named(SELF.pw_name)
    assert user == users.named(SELF.pw_uid) == users.numbered(SELF.pw_uid)
    assert (user.uid, user.gid, user.home) == (SELF.pw_uid, SELF.pw_gid, SELF.pw_dir)
    assert set(user.groups) == set(os.getgrouplist(SELF.pw_name, SELF.pw_gid))


def test_an_unknown_name_is_refused_in_one_line():
    """A typing error must not become root."""
    with pytest.raises(ConfigError, match="cannot act as the user 'nobody-here': this system knows no such user"):
        users.named("nobody-here")


def test_a_number_without_a_name_gets_no_group_that_has_one(monkeypatch):
    """999 may be a container's database, and the group of the Docker engine."""
    monkeypatch.setattr(grp, "getgrgid", lambda gid: (_ for _ in ()).throw(KeyError(gid)))
    assert users.numbered(UNKNOWN) == users.User(name=str(UNKNOWN), uid=UNKNOWN, gid=UNKNOWN)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: object())
    assert users.numbered(UNKNOWN).gid == users.NOBODY


def test_the_environment_has_nothing_of_the_updater(monkeypatch):
    """But for what the configuration names."""
    monkeypatch.setenv("SECRET_TOKEN", "x")
    user = users.User(name="pi", uid=1000, gid=1000, home="/home/pi")
    assert user.environment() == {
        "PATH": users.PATH,
        "LANG": "C.UTF-8",
        "HOME": "/home/pi",
        "USER": "pi",
        "LOGNAME": "pi",
    }
    assert user.environment({"HTTPS_PROXY": "http://p:1"})["HTTPS_PROXY"] == "http://p:1"


@pytest.mark.needs_root
def test_who_owns_the_tree_decides(tmp_path):
    """Where nothing is installed yet, whoever owns the place for it."""
    (tmp_path / "app").mkdir()
    assert users.owner_of(tmp_path / "app") == 0
    os.chown(tmp_path / "app", 4242, 4242)
    assert users.owner_of(tmp_path / "app") == 4242
    assert users.owner_of(tmp_path / "app/not/there") == 4242
    assert users.owner_of(tmp_path / "not-there") == 0


@pytest.mark.needs_root
def test_who_could_replace_the_tree_decides_where_root_owns_it(tmp_path):
    """A directory of root's in somebody's home is renamed away in a moment."""
    (tmp_path / "home/app").mkdir(parents=True)
    os.chown(tmp_path / "home", 4242, 4242)
    assert users.owner_of(tmp_path / "home/app") == 4242
    os.chown(tmp_path / "home/app", 4243, 4243)
    assert users.owner_of(tmp_path / "home/app") == 4242


@pytest.mark.needs_root
def test_a_link_that_is_exchanged_meanwhile_is_its_owners(tmp_path, monkeypatch):
    """Who exchanges it over and over ends no command by that."""
    (tmp_path / "app").symlink_to("/etc/hostname")
    os.chown(tmp_path / "app", 4242, 4242, follow_symlinks=False)

    def exchanged(path, **more):
        raise OSError(22, "Invalid argument", str(path))

    monkeypatch.setattr(os, "readlink", exchanged)
    assert users.owner_of(tmp_path / "app/data") == 4242


@pytest.mark.needs_root
def test_links_have_owners_too(tmp_path):
    """A link of somebody's into a tree of root's can be made to lead elsewhere; one of root's leads to its end."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "home/tree").mkdir(parents=True)
    os.chown(tmp_path / "home/tree", 4242, 4242)
    (tmp_path / "by-them").symlink_to("etc")
    os.chown(tmp_path / "by-them", 4243, 4243, follow_symlinks=False)
    (tmp_path / "by-root").symlink_to(tmp_path / "home/../home/tree")
    assert users.owner_of(tmp_path / "by-them") == 4243
    assert users.owner_of(tmp_path / "by-root") == 4242


def test_a_circle_of_links_ends(tmp_path):
    """Nothing is there, so what is above it decides."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert users.owner_of(tmp_path / "a/x") == os.getuid()
    assert users.owner_of(Path("/")) == 0
