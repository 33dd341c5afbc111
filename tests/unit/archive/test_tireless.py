"""Archives that cost more than they are worth: what a few kilobytes claim is bounded, and it can be stopped."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from fsm.errors import ArchiveError
from fsm.system.archive import Limits, inspect, streams
from fsm.system.archive.zipreader import members
from tests.unit.archive.conftest import Counted, Stop

EMPTY: Final[dict[str, Callable[[bytes], bytes]]] = {
    "tar.gz": lambda data: gzip.compress(data, mtime=0),
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": lambda data: streams.zstandard().compress(data),
}


def tar(*entries: tarfile.TarInfo) -> bytes:
    """A tar archive of entries without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.PAX_FORMAT) as made:
        for entry in entries:
            made.addfile(entry)
    return buffer.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    """A symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_streams_are_passed_over_and_counted(kind: str, fast: Path):
    """A thousand are fine wherever they stand; more are refused. Padding between streams changes nothing."""
    pack = EMPTY[kind]
    content = tar(tarfile.TarInfo("file"))
    path = fast / f"a.{kind}"
    path.write_bytes(
        pack(content[:700]) + bytes(3) + pack(b"") * 1000 + pack(content[700:]) + pack(b"") * 1000 + bytes(5000)
    )
    assert [entry.path for entry in inspect(path).entries] == ["file"]
    path.write_bytes(pack(content[:700]) + pack(b"") * 1001 + pack(content[700:]))
    with pytest.raises(ArchiveError, match="more than 1000 empty streams in a row"):
        inspect(path)


@pytest.mark.parametrize("kind", EMPTY)
def test_streams_of_one_byte_can_be_stopped(kind: str, fast: Path):
    """Each stream is looked after, however little is in it."""
    path = fast / f"a.{kind}"
    path.write_bytes(EMPTY[kind](b"\0") * 2000)
    check = Counted(500)
    with pytest.raises(Stop):
        inspect(path, check=check)


def test_many_short_streams_are_not_copied_again_and_again(fast: Path, monkeypatch: pytest.MonkeyPatch):
    """What a stream leaves over is not handed back block by block: the work grows with the file, not its square."""
    given = 0

    class Watched(streams._Gzip):
        def decompress(self, data: bytes, max_length: int) -> bytes:
            nonlocal given
            given += len(data)
            return super().decompress(data, max_length)

    monkeypatch.setattr(streams, "_Gzip", Watched)
    content = tar(*(tarfile.TarInfo(f"{number}") for number in range(40)))
    packed = b"".join(gzip.compress(content[at : at + 20], mtime=0) for at in range(0, len(content), 20))
    (fast / "a.tar.gz").write_bytes(packed)
    assert len(inspect(fast / "a.tar.gz").entries) == 40
    assert given < 200 * len(packed)


def test_padding_can_be_stopped(fast: Path):
    """Zeros after the last stream, as many as there may be."""
    with (fast / "a.tar.gz").open("wb") as file:
        file.write(gzip.compress(tar(tarfile.TarInfo("file"))))
        file.truncate(256 << 20)
    check = Counted(200)
    with pytest.raises(Stop):
        inspect(fast / "a.tar.gz", check=check)


def test_directories_that_are_only_implied_count(fast: Path):
    """A hundred directories are made for one entry of half a kilobyte."""
    entries = [tarfile.TarInfo("/".join([str(number), *"a" * 98])) for number in range(30)]
    (fast / "a.tar").write_bytes(tar(*entries))
    assert len(inspect(fast / "a.tar", Limits(max_entries=30 * 99)).entries) == 30 * 99
    with pytest.raises(ArchiveError, match="it has more than 1000 entries"):
        inspect(fast / "a.tar", Limits(max_entries=1000))


def test_a_long_target_is_refused_when_it_comes(fast: Path):
    """And not kept until all the others have come."""
    (fast / "a.tar").write_bytes(tar(link("a", "x/" * 2000), tarfile.TarInfo("../outside")))
    with pytest.raises(ArchiveError, match=r'the link "a" to "x/x.* is a link that does not work everywhere'):
        inspect(fast / "a.tar")


def test_links_that_lead_on_to_each_other_end(fast: Path):
    """Each of them leads through all the others, and through a thousand directories that are not there."""
    chain = [link(f"l{number}", f"l{number + 1}/" + "x/" * 1000) for number in range(39)]
    many = [link(f"m{number}", "l0") for number in range(200)]
    (fast / "a.tar").write_bytes(tar(*chain, *many, link("l39", "x")))
    with pytest.raises(ArchiveError, match="its links take 4000000 steps to follow, and there are more"):
        inspect(fast / "a.tar")
    check = Counted(300)
    with pytest.raises(Stop):
        inspect(fast / "a.tar", check=check)


def test_zip_entries_are_counted_under_a_watch():
    """Before `zipfile` sees them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(1000):
            made.writestr(f"{number}", b"")
    check = Counted(500)
    with pytest.raises(Stop):
        list(members(buffer, 200_000, check))


def test_a_huge_directory_of_a_zip_is_not_read(fast: Path):
    """`zipfile` would read all of it into memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("file", b"")
    data = buffer.getvalue()
    at = data.rindex(b"PK\5\6")
    claimed = data[: at + 12] + (200 << 20).to_bytes(4, "little") + data[at + 16 :]
    with (fast / "a.zip").open("wb") as file:
        file.write(data[:30])
        file.seek(200 << 20)
        file.write(claimed)
    with pytest.raises(ArchiveError, match="it has a directory of 200 MiB"):
        inspect(fast / "a.zip")
