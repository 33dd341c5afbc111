"""What a file is, by its first bytes and by its name, and what is said when the two differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.errors import ArchiveError
from fsm.system.archive import inspect
from tests.strategies_archive import KINDS, Item, packed

ITEMS = [Item("f", content=b"x")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["core.{}", "CORE.{}", "core"])
def test_the_content_decides(tmp_path: Path, kind: str, name: str):
    """Each kind is known by its content, under its own name or under one that says nothing."""
    path = tmp_path / name.format(kind)
    path.write_bytes(packed(ITEMS, kind))
    assert inspect(path).kind == kind


@pytest.mark.parametrize(
    ("short", "kind"), [("tgz", "tar.gz"), ("tbz2", "tar.bz2"), ("txz", "tar.xz"), ("tzst", "tar.zst")]
)
def test_short_suffixes(tmp_path: Path, short: str, kind: str):
    """The short forms of suffixes mean the same."""
    (tmp_path / f"core.{short}").write_bytes(packed(ITEMS, kind))
    assert inspect(tmp_path / f"core.{short}").kind == kind


@pytest.mark.parametrize("named", [*KINDS, "whl"])
@pytest.mark.parametrize("kind", KINDS)
def test_contradictions_are_refused(tmp_path: Path, named: str, kind: str):
    """A name that promises another kind is a broken release."""
    if kind == named or (named, kind) == ("whl", "zip"):
        return
    path = tmp_path / f"core.{named}"
    path.write_bytes(packed(ITEMS, kind))
    said = "wheel" if named == "whl" else named
    with pytest.raises(ArchiveError, match=f"its name says {said}, but it is a {kind} file"):
        inspect(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty, not an archive"),
        (
            b"<!DOCTYPE html><html>Not Found</html>",
            "it is a web page (HTML or XML), perhaps an error page of the server",
        ),
        (b"\xef\xbb\xbf\r\n <HTML>", "it is a web page"),
        (b"<?xml version='1.0'?><Error/>" + b" " * 600, "it is a web page"),
        (b'{"message": "Not Found"}', 'it is a text that begins with \'{"message": "Not Found"}\''),
        (b"version https://git-lfs.github.com/spec/v1\n" * 30, "begins with 'version https://git-lfs.github.com/spec/"),
        (bytes(1024), "it begins with zeros only, not an archive"),
        (bytes(range(256)) * 4, "it is of an unknown kind"),
        (b"\x00\x01\x02", "it is of an unknown kind"),
        (b"MZ\x90\x00" + bytes(600), "it is of an unknown kind"),
    ],
)
def test_what_is_no_archive_is_described(tmp_path: Path, data: bytes, says: str):
    """An error page called .tar.gz is called an error page."""
    (tmp_path / "core.tar.gz").write_bytes(data)
    with pytest.raises(ArchiveError) as caught:
        inspect(tmp_path / "core.tar.gz")
    assert says in str(caught.value)


def test_compressed_without_a_tar_inside(tmp_path: Path):
    """A gzip file that holds something else is no release either."""
    import gzip

    (tmp_path / "core.tar.gz").write_bytes(gzip.compress(b"hello" * 1000))
    with pytest.raises(ArchiveError, match="wrong checksum: it is damaged, or no tar archive"):
        inspect(tmp_path / "core.tar.gz")
