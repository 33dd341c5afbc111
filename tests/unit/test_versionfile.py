"""Version files: plain or JSON; unknown stays unknown and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsm.formats.version_file import MAX_SIZE, VersionFile, ask


@pytest.mark.parametrize(
    "content",
    [
        *(b"1.2.3", b"1.2.3\n", b"\xef\xbb\xbf1.2.3\r\n", b"  1.2.3\nsecond line\n"),
        *(b'{"full_version": "1.2.3", "version": "9"}', b' {"version": "1.2.3"}'),
    ],
)
def test_versions_that_are_told(content: bytes, tmp_path: Path):
    """As people and build systems write them."""
    (tmp_path / "VERSION").write_bytes(content)
    version, why = ask(VersionFile(tmp_path, "VERSION"))
    assert (str(version), why) == ("1.2.3", "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"newest", "'newest' is not a version"),
        (b"\xff\xfe", "cannot read "),
        (b"{", "is neither a version nor JSON"),
        (b'{"version": ' + b"[" * 20000, "is neither a version nor JSON"),
        (b'{"version": 3}', "has no text under full_version or version"),
        (b"1.2.3" + b"4" * MAX_SIZE, "is larger than 64 KiB"),
        (b"x" * 1000, f"'{'x' * 80}...' is not a version"),
    ],
)
def test_versions_that_are_unknown(content: bytes, why: str, tmp_path: Path):
    """With the reason."""
    (tmp_path / "VERSION").write_bytes(content)
    version, said = ask(VersionFile(tmp_path, "VERSION"))
    assert version is None
    assert why in said


def test_nothing_there(tmp_path: Path):
    """A missing file is not a missing app."""
    assert ask(VersionFile(tmp_path, "VERSION")) == (
        None,
        f"cannot read {tmp_path / 'VERSION'}: No such file or directory",
    )
    missing = tmp_path / "app"
    assert ask(VersionFile(missing, "VERSION")) == (None, f"nothing is installed at {missing}")
