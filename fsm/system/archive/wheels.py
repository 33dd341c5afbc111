"""What a wheel says of itself, without unpacking it: how large it becomes, and what it needs.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from fsm.errors import ArchiveError
from fsm.system import regular
from fsm.system.archive.model import BrokenError
from fsm.system.archive.zipreader import DAMAGED, count_entries

_ENTRIES: Final = 200_000
_METADATA: Final = 4 << 20
_NEEDS: Final = "requires-dist:"


class Wheel(NamedTuple):
    """A wheel, by its directory and its metadata.

    Attributes:
        package: the name of its package, as its file name has it.
        size: bytes of its files; an installer that writes more ignores the format.
        requires: the packages that it needs, each as it is written there.
    """

    package: str
    size: int
    requires: tuple[str, ...]


def read_wheel(path: Path) -> Wheel:
    """Read what a wheel says of itself.

    Raises:
        ArchiveError: it is damaged, or has more than 200,000 entries.
        OSError: it cannot be read.
    """
    try:
        with regular.opened(path, follow=True) as descriptor, open(descriptor, "rb", closefd=False) as file:
            count_entries(file, _ENTRIES)
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                needs = [each for info in infos if _is_metadata(info) for each in _needs(archive, info)]
    except (BrokenError, *DAMAGED) as error:
        raise ArchiveError(f"cannot use {path.name}", str(error), "the release is broken") from error
    return Wheel(path.name.partition("-")[0].lower(), sum(info.file_size for info in infos), tuple(needs))


def _is_metadata(info: zipfile.ZipInfo) -> bool:
    return info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1


def _needs(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> list[str]:
    with archive.open(info) as stream:
        head = stream.read(_METADATA).partition(b"\n\n")[0].decode("utf-8", "replace")
    return [line[len(_NEEDS) :].strip() for line in head.splitlines() if line.lower().startswith(_NEEDS)]
