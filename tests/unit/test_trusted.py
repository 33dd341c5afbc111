"""Who else could change a file: owners, modes, groups and links on the whole way to it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsm.errors import ConfigError
from fsm.system import trusted

pytestmark = pytest.mark.needs_linux


def _why(path: Path, like_root: tuple[int, ...] = ()) -> str:
    found = trusted.doubt(path, like_root)
    return "" if found is None else found.why


def test_what_is_our_own_is_trusted(tmp_path: Path):
    """As is what is missing: nobody else can make it."""
    (tmp_path / "file").touch()
    assert _why(tmp_path / "file") == ""
    assert _why(tmp_path / "none" / "at all") == ""
    trusted.require(tmp_path / "file", "cannot use it")


@pytest.mark.needs_root
def test_what_is_exchanged_while_it_is_looked_at_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where everybody may put something, a link of somebody's that is a file a moment later is still theirs."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    link = tmp_path / "open/fsm.toml"
    link.symlink_to("/etc/hostname")
    os.chown(link, 4242, 4242, follow_symlinks=False)

    def exchanged(path: Path, **more: Any) -> str:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))

    monkeypatch.setattr(os, "readlink", exchanged)
    assert "belongs to user 4242" in _why(link)


@pytest.mark.needs_root
def test_what_anybody_could_put_there_is_not_believed(tmp_path: Path):
    """A file that is missing just now, in a directory like /tmp: it could be there when it is opened."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    with pytest.raises(ConfigError) as caught:
        trusted.require(tmp_path / "open/fsm.toml", "cannot use it")
    assert f"everybody may put something at {tmp_path}/open/fsm.toml" in caught.value.why
    (tmp_path / "open/fsm.toml").touch()
    trusted.require(tmp_path / "open/fsm.toml", "cannot use it")
    trusted.require(tmp_path / "none", "cannot use it")


@pytest.mark.needs_root
def test_a_masked_unit_is_nobodys(tmp_path: Path):
    """It is a link to where everybody may write and nothing stays."""
    (tmp_path / "app.service").symlink_to("/dev/null")
    assert _why(tmp_path / "app.service") == ""
    assert _why(Path("/dev/zero")) == "every user may write to /dev/zero"


@pytest.mark.needs_root
@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (0o600, ""),
        (0o644, ""),
        (0o604, ""),
        (0o606, "every user may write to"),
        (0o660, "group 4242 may write to"),
        (0o666, "every user may write to"),
    ],
)
def test_modes_of_a_file(mode: int, why: str, tmp_path: Path):
    """Reading harms nobody, writing does."""
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 0, 4242)
    (tmp_path / "file").chmod(mode)
    found = _why(tmp_path / "file")
    assert found.startswith(why)
    assert bool(found) == bool(why)


@pytest.mark.needs_root
def test_every_directory_counts(tmp_path: Path):
    """Whoever may write to one exchanges what is below it."""
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (place / "file").touch()
    (tmp_path / "a").chmod(0o777)
    found = trusted.doubt(place / "file")
    assert found == (tmp_path / "a", f"every user may write to {tmp_path}/a", f"`chmod o-w {tmp_path}/a`")
    (tmp_path / "a").chmod(0o1777)
    assert _why(place / "file") == ""
    os.chown(place, 4242, 0)
    assert _why(place / "file") == f"{place} belongs to user 4242"
    assert _why(place / "file", (4242,)) == ""


@pytest.mark.needs_root
def test_links_are_followed_as_the_system_does(tmp_path: Path):
    """Absolute and relative ones, through their own ``..``, and no further than forty."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "file").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "file").touch()
    os.chown(tmp_path / "foreign", 4242, 4242)
    (tmp_path / "own" / "to").symlink_to("../foreign/file")
    (tmp_path / "own" / "way").symlink_to(tmp_path / "foreign")
    (tmp_path / "own" / "back").symlink_to(tmp_path / "own")
    assert _why(tmp_path / "own" / "to") == f"{tmp_path}/foreign belongs to user 4242"
    assert _why(tmp_path / "own" / "way" / "file") == f"{tmp_path}/foreign belongs to user 4242"
    assert _why(tmp_path / "own" / "back" / "file") == ""
    assert _why(tmp_path / "own" / "back" / ".." / "own" / "file") == ""
    (tmp_path / "own" / "loop").symlink_to("loop")
    assert _why(tmp_path / "own" / "loop" / "file") == ""  # whoever opens it is told so


@pytest.mark.needs_root
@pytest.mark.parametrize(
    ("members", "primary", "trustworthy"),
    [([], 4242, True), (["root"], 4242, True), (["root", "eve"], 4242, False), ([], 77, False), (None, 4242, False)],
)
def test_a_group_is_as_good_as_its_members(
    members: list[str] | None, primary: int, trustworthy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A user's own group has nobody else in it; one that nobody knows may have anybody."""
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 0, 77)
    (tmp_path / "file").chmod(0o664)

    def group(gid: int) -> SimpleNamespace:
        if members is None:
            raise KeyError(gid)
        return SimpleNamespace(gr_name="makers", gr_mem=members)

    users = [
        SimpleNamespace(pw_name="root", pw_uid=0, pw_gid=0),
        SimpleNamespace(pw_name="eve", pw_uid=4242, pw_gid=primary),
    ]
    monkeypatch.setattr("grp.getgrgid", group)
    monkeypatch.setattr("pwd.getpwall", lambda: users)
    assert (_why(tmp_path / "file") == "") == trustworthy
    monkeypatch.setattr("os.getxattr", lambda *args, **options: b"somebody")
    assert "may write to" in _why(tmp_path / "file")


def test_an_ordinary_user_decides_about_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Theirs, and root's; whoever else may write to them, they know."""
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o666)
    monkeypatch.setattr("os.geteuid", lambda: 5555)
    if os.stat(tmp_path).st_uid == 0:
        assert _why(tmp_path / "file") == ""
        os.chown(tmp_path / "file", 4242, -1)
        assert _why(tmp_path / "file") == f"{tmp_path}/file belongs to user 4242"
        with pytest.raises(ConfigError, match="so user 5555 is not the only one who decides what it says"):
            trusted.require(tmp_path / "file", "cannot use it")
    else:
        assert " belongs to " in _why(tmp_path / "file")


def test_users_have_names_where_the_system_knows_one():
    """A number alone is right, too."""
    assert trusted.user(0) == "user 0 (root)"
    assert trusted.user(3_999_999) == "user 3999999"
