"""One part of an update of a large app, in a process of its own: ``python -m benchmarks.scale_child PART PLACE``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.rig import BareContext
from fsm.adapter import Done, StepResult
from fsm.model import Version
from fsm.system import files, inventory
from fsm_python_app import aside
from fsm_python_app.layout import Layout, patterns
from fsm_python_app.unpack import Unpack


def unpack(place: Path) -> StepResult:
    """The step that unpacks a release, stamps it, lists it and makes it durable."""
    layout = Layout.of(place / "work" / "app")
    layout.make_run(1)
    return Unpack(
        layout=layout,
        directory=str(place),
        filename="app.tar.gz",
        version=Version("1.0.0"),
        version_file="VERSION",
        preserve=(),
        environment_link=".venv",
        unlisted="keep",
        max_bytes=4 << 30,
        reserve=64 << 20,
    ).do(BareContext())


def listed(place: Path) -> StepResult:
    """The inventory of the live tree, with digests, as a backup has it."""
    inventory.write(inventory.scan(place / "live"), place / "work" / "inventory")
    return Done()


def carry(place: Path) -> StepResult:
    """All files of the live tree, carried over into a new one."""
    files.carry(place / "live", place / "work" / "tree", patterns(["assets/"]))
    return Done()


def set_aside(place: Path) -> StepResult:
    """All files of a tree, none of which a release brought."""
    layout = Layout.of(place / "work" / "app")
    aside.set_aside(place / "work" / "tree", place / "none", layout, 1, lambda _path: False, lambda: None)
    return Done()


def _nothing(place: Path) -> None:
    (place / "work").mkdir()


def _tree(place: Path) -> None:
    """A copy whose files are the same inodes: they are only moved."""
    _nothing(place)
    Layout.of(place / "work" / "app").make_run(1)
    _link(place / "live", place / "work" / "tree")


def _link(source: Path, target: Path) -> None:
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir():
                _link(Path(entry.path), target / entry.name)
            else:
                os.link(entry.path, target / entry.name)


PARTS: Final[dict[str, tuple[Callable[[Path], None], Callable[[Path], StepResult]]]] = {
    "unpack": (_nothing, unpack),
    "inventory": (_nothing, listed),
    "carry": (_nothing, carry),
    "aside": (_tree, set_aside),
}
"""What each part needs, and what it does."""


def peak_mb() -> float:
    """The most memory that this process had resident, in units of 10^6 bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Do one part, and say how long it took and how much memory."""
    name, place = sys.argv[1], Path(sys.argv[2])
    prepare, work = PARTS[name]
    prepare(place)
    files.sync_filesystem(place)
    start = time.perf_counter()
    ended = work(place)
    seconds = time.perf_counter() - start
    if not isinstance(ended, Done):
        raise SystemExit(str(ended))
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
