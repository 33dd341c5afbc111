"""Keys and signatures, against minisign itself, in both directions."""

from __future__ import annotations

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import TrustError
from fsm.formats.trust.minisign import (
    SIGNATURE_LIMIT,
    PublicKey,
    SecretKey,
    _derive,
    sign,
    signatures,
    verify,
)

KEY = SecretKey.generate()
OTHER = SecretKey.generate()
COMMENT = "fsm-manifest:1 repository=acme/shop component=web version=1.2.0 sequence=1"


def minisign(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run Debian's minisign."""
    return subprocess.run(
        ["minisign", *arguments], cwd=folder, input=typed, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.needs_minisign
@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096], ids=["empty", "byte", "mebibyte"])
def test_minisign_verifies_what_we_sign(tmp_path: Path, data: bytes):
    """Signature and trusted comment; not when a byte of either is changed."""
    (tmp_path / "m").write_bytes(data)
    text = sign(data, KEY, comment=COMMENT)
    (tmp_path / "m.minisig").write_text(text)
    (tmp_path / "k.pub").write_text(KEY.public_key.file())
    done = minisign(tmp_path, "-V", "-m", "m", "-p", "k.pub")
    assert done.returncode == 0, done.stderr
    assert f"Trusted comment: {COMMENT}" in done.stdout
    assert minisign(tmp_path, "-V", "-m", "m", "-P", str(KEY.public_key)).returncode == 0
    (tmp_path / "m.minisig").write_text(text.replace("version=1.2.0", "version=1.3.0"))
    assert minisign(tmp_path, "-V", "-m", "m", "-p", "k.pub").returncode != 0
    (tmp_path / "m.minisig").write_text(text)
    (tmp_path / "m").write_bytes(data + b"!")
    assert minisign(tmp_path, "-V", "-m", "m", "-p", "k.pub").returncode != 0


@pytest.mark.needs_minisign
def test_we_verify_what_minisign_signs(tmp_path: Path):
    """With a key of its own, which it has encrypted."""
    done = minisign(tmp_path, "-G", "-s", "k.key", "-p", "k.pub", typed="open\nopen\n")
    assert done.returncode == 0, done.stderr
    (tmp_path / "m").write_bytes(b"manifest")
    done = minisign(tmp_path, "-S", "-s", "k.key", "-m", "m", "-t", COMMENT, typed="open\n")
    assert done.returncode == 0, done.stderr
    public = PublicKey.parse((tmp_path / "k.pub").read_text())
    [found] = verify(b"manifest", (tmp_path / "m.minisig").read_bytes(), [public])
    assert (found.key, found.comment) == (public, COMMENT)
    secret = SecretKey.load((tmp_path / "k.key").read_text(), "open")
    assert secret.public_key == public
    assert verify(b"other", sign(b"other", secret, comment="x").encode(), [public])
    with pytest.raises(TrustError, match="the password is wrong"):
        SecretKey.load((tmp_path / "k.key").read_text(), "closed")


@pytest.mark.needs_minisign
def test_we_read_what_minisign_leaves_unlocked(tmp_path: Path):
    """It calls such a key encrypted and has no checksum in it; that it is whole shows in the pair."""
    assert minisign(tmp_path, "-G", "-W", "-s", "k.key", "-p", "k.pub").returncode == 0
    text = (tmp_path / "k.key").read_text()
    assert SecretKey.is_locked(text) is False
    key = SecretKey.load(text)
    assert key.public_key == PublicKey.parse((tmp_path / "k.pub").read_text())
    data = bytearray(b64decode(text.splitlines()[1]))
    for place in (62, 125):
        broken = bytes(each ^ (number == place) for number, each in enumerate(data))
        with pytest.raises(TrustError, match="its checksum is wrong"):
            SecretKey.load(f"untrusted comment: x\n{b64encode(broken).decode()}\n")


@pytest.mark.needs_minisign
def test_minisign_signs_with_our_keys(tmp_path: Path):
    """Encrypted and not."""
    (tmp_path / "m").write_bytes(b"manifest")
    (tmp_path / "locked.key").write_text(KEY.file("open"))
    (tmp_path / "plain.key").write_text(KEY.file())
    for name, typed in (("locked", "open\n"), ("plain", "")):
        done = minisign(tmp_path, "-S", "-s", f"{name}.key", "-m", "m", "-x", f"{name}.sig", typed=typed)
        assert done.returncode == 0, done.stderr
        assert verify(b"manifest", (tmp_path / f"{name}.sig").read_bytes(), [KEY.public_key])
    assert SecretKey.load((tmp_path / "locked.key").read_text(), "open") == KEY
    assert SecretKey.load((tmp_path / "plain.key").read_text()) == KEY


@pytest.mark.needs_minisign
def test_a_password_costs_what_minisigns_own_costs(tmp_path: Path):
    """Scrypt with libsodium's sensitive limits, in our files as in its."""
    minisign(tmp_path, "-G", "-s", "k.key", "-p", "k.pub", typed="open\nopen\n")
    theirs, ours = ((b64decode(text.splitlines()[1])) for text in ((tmp_path / "k.key").read_text(), KEY.file("open")))
    assert ours[38:54] == theirs[38:54] == (33_554_432).to_bytes(8, "little") + (1 << 30).to_bytes(8, "little")


@pytest.mark.needs_minisign
def test_minisign_names_keys_as_we_do(tmp_path: Path):
    """The id in its file's comment; only that minisign leaves zeros at its beginning away."""
    minisign(tmp_path, "-G", "-W", "-s", "k.key", "-p", "k.pub")
    text = (tmp_path / "k.pub").read_text()
    key = PublicKey.parse(text)
    assert text.splitlines()[0].split()[-1] == key.name.lstrip("0")
    assert key.file().replace(key.name, key.name.lstrip("0")) == text
    assert PublicKey(bytes.fromhex("0102030405060700"), key.key).name == "0007060504030201"


@given(data=st.binary(max_size=300), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_bit_is_found(data: bytes, place: int, bit: int):
    """In the bytes or in the signature's file: nothing is verified, or an error says why. Never another comment."""
    signature = sign(data, KEY, comment=COMMENT).encode()
    both = bytearray(data + signature)
    both[place % len(both)] ^= 1 << bit
    changed, text = bytes(both[: len(data)]), bytes(both[len(data) :])
    try:
        found = verify(changed, text, [KEY.public_key])
    except TrustError:
        return
    # The untrusted comment, and unused bits of base64, are the only places that say nothing.
    assert not found or (changed == data and found[0].comment == COMMENT)


def test_signatures_of_others_are_passed_over():
    """A file may have several; each of our keys counts once."""
    text = "".join(sign(b"x", key, comment="c") for key in (OTHER, KEY, KEY)).encode()
    assert [each.key for each in verify(b"x", text, [KEY.public_key])] == [KEY.public_key]
    assert verify(b"x", text, []) == ()
    assert len(signatures(text)) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "1 lines"),
        (b"x\n" * 3, "3 lines"),
        (b"x\n" * 4, "not those of a signature"),
        (b"\xff\n" * 4, "not UTF-8"),
        (b"x" * (SIGNATURE_LIMIT + 1), f"more than {SIGNATURE_LIMIT} bytes"),
        (sign(b"x", KEY, comment="c").encode() * 17, "68 lines"),
    ],
    ids=range(6),
)
def test_what_is_no_signature(text: bytes, why: str):
    """Its form is said."""
    with pytest.raises(TrustError, match=why):
        verify(b"x", text, [KEY.public_key])


def test_the_older_algorithm_is_refused():
    """It signs the bytes themselves; what is signed must be one thing."""
    lines = sign(b"x", KEY, comment="c").split("\n")
    raw = b64decode(lines[1])
    lines[1] = b64encode(b"Ed" + raw[2:]).decode()
    with pytest.raises(TrustError, match="not prehashed"):
        verify(b"x", "\n".join(lines).encode(), [KEY.public_key])


@pytest.mark.parametrize(
    "text", ["", "RW", "RWQ" + "A" * 50, "a\nb\nc", "RWé" + "A" * 53, str(KEY.public_key)[:-1]], ids=range(6)
)
def test_what_is_no_public_key(text: str):
    """One line says what one looks like."""
    with pytest.raises(TrustError, match="cannot read the public key"):
        PublicKey.parse(text)


@pytest.mark.parametrize(
    "text", ["", "a\nb", KEY.public_key.file(), KEY.file()[:-9], KEY.file().replace("RW", "RX")], ids=range(5)
)
def test_what_is_no_secret_key(text: str):
    """The message has nothing of the text: it may be most of a secret."""
    with pytest.raises(TrustError, match="cannot read the secret key") as caught:
        SecretKey.load(text)
    assert not any(line and line in str(caught.value) for line in text.splitlines() if len(line) > 8)


def test_an_encrypted_key_wants_a_password():
    """And it says how to give one."""
    with pytest.raises(TrustError, match=r"no password was given.*FSM_KEY_PASSWORD"):
        SecretKey.load(KEY.file("open"))


def test_a_secret_key_is_not_shown():
    """Not in a log, and not in a traceback."""
    assert KEY.seed.hex() not in repr(KEY)
    assert b64encode(KEY.seed).decode() not in f"{KEY!r} {KEY}"
    assert KEY.public_key.name in repr(KEY)


def test_a_file_cannot_ask_for_all_memory():
    """The limits in a key's file are its own word."""
    with pytest.raises(TrustError, match="more than 4 GiB"):
        _derive("x", bytes(32), 1 << 60, 1 << 60)
    assert len(_derive("x", bytes(32), 0, 0)) == 104
    assert len(_derive("x", bytes(32), 32_768, 16 << 20)) == 104


@pytest.mark.parametrize("comment", ["two\nlines", "x" * 2000, "bell\a"])
def test_a_comment_is_one_line(comment: str):
    """Else it could look like another signature."""
    with pytest.raises(TrustError, match="cannot sign"):
        sign(b"x", KEY, comment=comment)


def test_signing_is_deterministic():
    """The same bytes, key and comment give the same file."""
    assert sign(b"x", KEY, comment="c") == sign(b"x", KEY, comment="c")
