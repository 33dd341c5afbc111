"""Digests: of files, of many files at once, and as checksum files write them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import IntegrityError
from fsm.formats.sums import parse_sums
from fsm.system.digest import BLOCK, Hashed, Hasher, hash_chunks, hash_file, hash_found

A, B = "a" * 64, "b" * 64


def sha(data: bytes) -> str:
    """The digest of bytes, as a `Digest`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
def test_hash_file_gives_digest_and_size(tmp_path: Path, size: int):
    """A file's digest is that of its bytes, whatever their number is compared to the block's."""
    data = os.urandom(size)
    path = tmp_path / "f"
    path.write_bytes(data)
    assert hash_file(path) == (sha(data), size)
    assert hash_chunks([data[:10], data[10:]]) == sha(data)


def test_hash_file_stops_when_told(tmp_path: Path):
    """What `check` raises ends the reading."""
    path = tmp_path / "f"
    path.write_bytes(b"x")

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_file(path, check=check)


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        (f"{A}  core.tar.gz\n{B} *app.zip\n", {"core.tar.gz": A, "app.zip": B}),
        (f"{A} core.tar.gz", {"core.tar.gz": A}),
        (f"{A.upper()}\tcore.tar.gz\r\n", {"core.tar.gz": A}),
        (f"{A}   leading space", {" leading space": A}),
        (f"\\{A}  a\\nb\\\\c\\r\n", {"a\nb\\c\r": A}),
        (f"SHA256 (core.tar.gz) = {A}\nMD5 (core.tar.gz) = {'0' * 32}\nSHA512 (x) = {'0' * 128}", {"core.tar.gz": A}),
        (f"\\SHA256 (a\\nb) = {A}", {"a\nb": A}),
        (f"\ufeff# made by us\n\n{A}  ./dist/core.tar.gz", {"dist/core.tar.gz": A}),
        (f"{A}\n", {"": A}),
        (f"{A}  -\n", {"": A}),
        (f"{A}  twice\n{A}  twice\n", {"twice": A}),
    ],
)
def test_parse_sums_knows_the_usual_forms(text: str, sums: dict[str, str]):
    """GNU and BSD forms, escapes, comments, sidecars and Windows' line ends are read."""
    assert parse_sums(text) == {name: f"sha256:{digest}" for name, digest in sums.items()}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no SHA-256"),
        (f"MD5 (core) = {'0' * 32}\n", "holds no SHA-256"),
        ("<!DOCTYPE html>\n", "line 1 is not a checksum: '<!DOCTYPE html>'"),
        (f"{A}  one\n{A[:-1]}  two\n", "line 2 is not a checksum"),
        (f"{A}  one\n{B}  one\n", "line 2 gives 'one' a second, different digest"),
    ],
)
def test_parse_sums_refuses_what_is_none(text: str, says: str):
    """A line that is no checksum is not passed over, and an error page is not an empty list."""
    with pytest.raises(IntegrityError, match="cannot read the checksums") as caught:
        parse_sums(text)
    assert says in str(caught.value)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.binary(), min_size=1))
def test_parse_sums_reads_what_gnu_writes(content: dict[str, bytes]):
    """Any name survives the way through the GNU form, escapes and all."""
    lines, expected = [], {}
    for name, data in content.items():
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        if name.startswith("./") or name == "-" or escaped != escaped.rstrip("\r \t"):
            continue
        lines.append(f"{'' if escaped == name else chr(92)}{sha(data)[7:]}  {escaped}")
        expected[name] = sha(data)
    if lines:
        assert parse_sums("\n".join(lines)) == expected


def test_hasher_hashes_small_and_large_files(tmp_path: Path):
    """Every file that was added gets a result; one that is gone gets None."""
    sizes = {"small": 10, "large": 3 * BLOCK, "huge": 9 * BLOCK}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(name[:1].encode() * size)
    with Hasher[str, Hashed | None](hash_found) as hasher:
        for name, size in [*sizes.items(), ("gone", 1), ("gone large", BLOCK)]:
            hasher.add(name, str(tmp_path / name), size)
        results = {name: found and (found.sha256, found.size) for name, found in hasher.results(lambda: None)}
    assert results == {
        **{name: (sha(name[:1].encode() * size), size) for name, size in sizes.items()},
        "gone": None,
        "gone large": None,
    }


def test_hasher_ends_its_threads_when_left_early(tmp_path: Path):
    """An interrupted hashing of a large file does not go on to its end."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(8 << 30)

    def check() -> None:
        raise KeyboardInterrupt

    with Hasher[str, Hashed | None](hash_found) as hasher:
        hasher.add("large", str(path), 8 << 30)
        with pytest.raises(KeyboardInterrupt):
            list(hasher.results(check))


def test_hasher_follows_no_link(tmp_path: Path):
    """A link in the place of a file is an error, at once or when the result is asked for."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    with Hasher[str, Hashed | None](hash_found) as hasher:
        with pytest.raises(OSError, match="symbolic links"):
            hasher.add("link", str(tmp_path / "link"), 1)
        hasher.add("link", str(tmp_path / "link"), BLOCK)
        with pytest.raises(OSError, match="symbolic links"):
            list(hasher.results(lambda: None))
