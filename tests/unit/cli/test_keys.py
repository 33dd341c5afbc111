"""`fsm keys`: files are never overwritten, secrets are for their owner, and a keyring needs its root key."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Any

import pytest

from fsm.formats.trust import PublicKey, SecretKey
from tests.unit.cli.conftest import Line


class Drawer:
    """A directory with keys."""

    def __init__(self, line: Line, path: Path) -> None:
        self.line, self.path = line, path
        self.ring = path / "fsm-keyring.yaml"

    def __call__(self, *arguments: str, code: int = 0) -> Any:
        """Run `fsm keys` with this keyring and root key."""
        words = [each.format(root=self.path / "root.key", ring=self.ring, dir=self.path) for each in arguments]
        ended = self.line.bare("keys", *words)
        assert ended.code == code, ended.out + ended.err
        return ended

    def new(self, name: str, *more: str, code: int = 0) -> Any:
        """Make a key without password, and add it to the keyring."""
        with_ring = ("--root", "{root}", "--keyring", "{ring}")
        return self("new", name, "--dir", "{dir}", "--no-password", *with_ring, *more, code=code)

    def public(self, name: str) -> PublicKey:
        """A key that was made."""
        return PublicKey.parse((self.path / f"{name}.pub").read_text())


@pytest.fixture
def drawer(line: Line, tmp_path: Path) -> Drawer:
    """With a root key."""
    made = Drawer(line, tmp_path)
    made("new", "root", "--dir", "{dir}", "--no-password")
    return made


def test_a_pair(drawer: Drawer):
    """The secret one is for its owner only, and fits the public one; it is said that it is not encrypted."""
    path = drawer.path / "root.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SecretKey.load(path.read_text()).public_key == drawer.public("root")
    shown = drawer("show", str(path), str(drawer.path / "root.pub"))
    assert "NOT encrypted" in shown.out
    assert str(drawer.public("root")) in shown.out
    assert path.read_text().splitlines()[1] not in shown.out


def test_keys_are_never_overwritten(drawer: Drawer):
    """Also when only one of the two files is there."""
    before = (drawer.path / "root.key").read_bytes()
    assert "keys are never overwritten" in drawer("new", "root", "--dir", "{dir}", "--no-password", code=2).err
    (drawer.path / "root.key").rename(drawer.path / "away")
    assert "root.pub exists" in drawer("new", "root", "--dir", "{dir}", "--no-password", code=2).err
    assert (drawer.path / "away").read_bytes() == before


def test_a_password_is_needed(drawer: Drawer, monkeypatch: pytest.MonkeyPatch):
    """From the environment, as nobody can be asked; with another one the key stays shut."""
    assert "there is no terminal to ask" in drawer("new", "ci", "--dir", "{dir}", code=2).err
    assert not (drawer.path / "ci.key").exists()
    monkeypatch.setenv("FSM_KEY_PASSWORD", "open")
    drawer("new", "top", "--dir", "{dir}")
    assert "encrypted" in (drawer.path / "top.key").read_text().splitlines()[0]
    monkeypatch.setenv("FSM_ROOT_PASSWORD", "wrong")
    root = str(drawer.path / "top.key")
    ended = drawer("new", "ci", "--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", root, code=2)
    assert "the password is wrong" in ended.err
    assert not (drawer.path / "ci.key").exists()
    monkeypatch.setenv("FSM_ROOT_PASSWORD", "open")
    drawer("new", "ci", "--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", root)


def test_a_keyring_through_its_life(drawer: Drawer):
    """New, spare, rotated, revoked: each is a version, signed by the root key, and each is shown."""
    drawer.new("ci", "--days", "365")
    drawer.new("spare", "--for", "acme/shop")
    after = drawer("rotate", "ci", "ci2", "--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", "{root}")
    assert "keyring version 3" in after.out
    after = drawer("revoke", "ci", "--why", "lost", "--keyring", "{ring}", "--root", "{root}")
    assert "revoked: lost" in after.out
    shown = drawer("show", "{ring}", "--json", "--root-key", str(drawer.public("root")))
    (found,) = shown.results
    assert (found["version"], found["threshold"], found["verified"]) == (4, 1, True)
    assert {each["name"]: each["state"] for each in found["keys"]} == {"spare": "good", "ci2": "good", "ci": "revoked"}
    assert "not verified" in drawer("show", "{ring}").out
    assert (
        "0 of the 1 required root keys"
        in drawer("show", "{ring}", "--root-key", str(drawer.public("ci2")), code=20).err
    )


def test_a_rotation_lets_the_old_key_end(drawer: Drawer):
    """After the overlap, and not later than it would have."""
    drawer.new("ci", "--days", "2")
    before = drawer("show", "{ring}", "--json").results[0]["keys"][0]["not_after"]
    drawer("rotate", "ci", "next", "--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", "{root}")
    keys = {each["name"]: each for each in drawer("show", "{ring}", "--json").results[0]["keys"]}
    assert keys["ci"]["not_after"] == before
    assert keys["next"]["not_after"] is None
    options = ("--overlap", "0", "--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", "{root}")
    drawer("rotate", "next", "third", *options)
    states = {each["name"]: each["state"] for each in drawer("show", "{ring}", "--json").results[0]["keys"]}
    assert states["next"] == "expired"


def test_a_rotation_widens_nothing(drawer: Drawer):
    """What was for one repository has a follower for that one; unless it is said otherwise."""
    drawer.new("ci", "--for", "acme/shop")
    options = ("--dir", "{dir}", "--no-password", "--keyring", "{ring}", "--root", "{root}")
    drawer("rotate", "ci", "next", *options)
    drawer("rotate", "next", "third", "--for", "acme/bank", *options)
    keys = {each["name"]: each["repositories"] for each in drawer("show", "{ring}", "--json").results[0]["keys"]}
    assert keys == {"ci": ["acme/shop"], "next": ["acme/shop"], "third": ["acme/bank"]}


def test_what_cannot_be_done_changes_nothing(drawer: Drawer):
    """A name that is taken or unknown, the last key, a threshold out of reach, another root key, no root key."""
    drawer.new("ci")
    before = drawer.ring.read_bytes(), sorted(path.name for path in drawer.path.iterdir())
    options = ("--keyring", "{ring}", "--root", "{root}")
    assert "0 keys would be left" in drawer("revoke", "ci", *options, code=2).err
    assert "there is no key 'nobody'" in drawer("revoke", "nobody", *options, code=2).err
    assert "there is no key 'nobody'" in drawer("rotate", "nobody", "x", "--no-password", *options, code=2).err
    assert "threshold is 5" in drawer.new("x", "--threshold", "5", code=2).err
    assert "must look like OWNER/NAME" in drawer.new("x", "--for", "nothing", code=2).err
    assert "not a valid name" in drawer.new("../x", code=2).err
    assert "it needs a root key" in drawer("revoke", "ci", "--keyring", "{ring}", code=2).err
    ci = str(drawer.path / "ci.key")
    assert "0 of the 1 required root keys" in drawer("revoke", "ci", "--keyring", "{ring}", "--root", ci, code=20).err
    assert "cannot read" in drawer("revoke", "ci", "--keyring", "{dir}/no", "--root", "{root}", code=2).err
    assert (drawer.ring.read_bytes(), sorted(path.name for path in drawer.path.iterdir())) == before


def test_two_keys_may_have_to_sign(drawer: Drawer):
    """The threshold is of the keyring, and stays with it."""
    drawer.new("one")
    assert "2 signatures required" in drawer.new("two", "--threshold", "2").out
    options = ("--keyring", "{ring}", "--root", "{root}")
    assert "1 key would be left, but 2 must sign" in drawer("revoke", "one", *options, code=2).err


def test_a_file_that_is_none(drawer: Drawer):
    """Garbage, a directory, nothing."""
    (drawer.path / "garbage").write_bytes(b"\xff\xfe")
    assert "it is not a text file" in drawer("show", str(drawer.path / "garbage"), code=2).err
    assert "cannot read" in drawer("show", str(drawer.path), code=2).err
    assert "cannot read" in drawer("show", str(drawer.path / "none"), code=2).err
    (drawer.path / "empty").write_text("")
    assert drawer("show", str(drawer.path / "empty"), code=20).err.count("\n") == 1


def test_a_keyring_that_cannot_be_written(drawer: Drawer, monkeypatch: pytest.MonkeyPatch):
    """The old one is whole, and it is said what to do."""
    drawer.new("one")
    drawer.new("two")
    before = drawer.ring.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fsm.system.files.write_atomic", full)
    ended = drawer("revoke", "one", "--keyring", "{ring}", "--root", "{root}", code=2)
    assert "no space left on device; restore both files from version control" in ended.err
    assert drawer.ring.read_bytes() == before


def test_a_reason_with_line_breaks_is_refused(drawer: Drawer):
    """In one line, and the keyring stays."""
    drawer.new("ci")
    drawer.new("spare")
    before = drawer.ring.read_bytes()
    ended = drawer("revoke", "ci", "--why", "a\nb", "--root", "{root}", "--keyring", "{ring}", code=2)
    assert "the reason has line breaks, or is too long" in ended.err
    assert drawer.ring.read_bytes() == before


def test_a_key_that_is_over_does_not_count_as_left(drawer: Drawer):
    """With it alone, hosts could believe nothing any more."""
    drawer.new("ci")
    options = ("--dir", "{dir}", "--no-password", "--root", "{root}", "--keyring", "{ring}")
    drawer("rotate", "ci", "next", "--overlap", "0", *options)
    drawer("rotate", "next", "last", "--overlap", "0", *options)
    ended = drawer("revoke", "last", "--why", "lost", "--root", "{root}", "--keyring", "{ring}", code=2)
    assert "0 keys would be left" in ended.err


def test_a_full_disk_leaves_nothing_half_made(drawer: Drawer, monkeypatch: pytest.MonkeyPatch):
    """Neither a file without a key, which would block the name, nor a keyring with another one's signature."""
    drawer.new("ci")
    before = {path: path.read_bytes() for path in drawer.path.iterdir() if path.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("os.fsync", "fsm.system.files.write_atomic", "pathlib.Path.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            assert "no space left" in drawer.new("spare", code=2).err
        assert {path: path.read_bytes() for path in drawer.path.iterdir() if path.is_file()} == before
    drawer.new("spare")


def test_a_root_key_that_was_given_twice(drawer: Drawer):
    """It is one root key, and said so, before anything is written."""
    drawer.new("ci")
    drawer.new("spare")
    before = drawer.ring.read_bytes(), sorted(path.name for path in drawer.path.iterdir())
    twice = ("--keyring", "{ring}", "--root", "{root}", "--root", "{root}")
    for call in (("new", "x", "--no-password", "--dir", "{dir}"), ("revoke", "ci"), ("rotate", "ci", "y")):
        assert "a root key was given twice" in drawer(*call, *twice, code=2).err
    key = str(drawer.public("root"))
    assert "a root key is listed twice" in drawer("show", "{ring}", "--root-key", key, "--root-key", key, code=2).err
    assert (drawer.ring.read_bytes(), sorted(path.name for path in drawer.path.iterdir())) == before


@pytest.mark.parametrize("option", [("--days", "3"), ("--for", "acme/shop"), ("--threshold", "2")])
def test_what_only_a_keyring_can_say_needs_one(drawer: Drawer, option: tuple[str, str]):
    """Else a key without end would be made of one that should have an end."""
    ended = drawer("new", "ci", "--dir", "{dir}", "--no-password", *option, code=2)
    assert f"{option[0]} is stored in the keyring" in ended.err
    assert "give --root FILE" in ended.err
    assert not (drawer.path / "ci.key").exists()


def with_comment(drawer: Drawer, name: str, comment: str, password: str | None = None) -> str:
    """The root key once more, under another comment, as minisign or a person may write it."""
    text = SecretKey.load((drawer.path / "root.key").read_text()).file(password)
    path = drawer.path / name
    path.write_text(f"untrusted comment: {comment}\n{text.splitlines()[1]}\n")
    return str(path)


def test_a_comment_says_nothing_about_a_lock(drawer: Drawer, monkeypatch: pytest.MonkeyPatch):
    """Minisign calls each of its keys encrypted, and people call theirs what they like."""
    plain = with_comment(drawer, "plain.key", "minisign encrypted secret key")
    locked = with_comment(drawer, "locked.key", "my root", "open")
    shown = drawer("show", plain, locked).out.splitlines()
    assert (
        shown[0] == f"{plain}: secret key {drawer.public('root').name}, NOT encrypted: anyone who can read it can sign"
    )
    assert shown[1] == f"{locked}: secret key with an encrypted id, encrypted"
    options = ("--no-password", "--dir", "{dir}", "--keyring", "{ring}", "--root")
    drawer("new", "ci", *options, plain)
    assert "there is no terminal to ask for the password of" in drawer("new", "spare", *options, locked, code=2).err
    monkeypatch.setenv("FSM_ROOT_PASSWORD", "open")
    drawer("new", "spare", *options, locked)


def test_a_secret_key_that_is_broken(drawer: Drawer):
    """It is not shown as one, and nothing of it is shown."""
    text = (drawer.path / "root.key").read_text().splitlines()
    (drawer.path / "half.key").write_text(f"{text[0]}\n{text[1][:100]}\n")
    ended = drawer("show", str(drawer.path / "half.key"), code=20)
    assert "it is not a minisign secret key" in ended.err
    assert text[1][:20] not in ended.err
