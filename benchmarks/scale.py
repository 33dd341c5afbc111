"""What an update of 100,000 small files takes, and a host of 1,000 components, beside the programs that people know.

Everything of ours runs in a process of its own (`benchmarks.scale_child`), which says what its peak of resident memory
was: `VmHWM`, that of the process alone, other than `ru_maxrss`, which outlives `exec`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, duration, ratio, timed
from benchmarks.rig import Bench, child, fsm, module

PER_DIRECTORY: Final = 100
AT_MOST: Final = 1.5
MEMORY_MB: Final = 100.0
CHECK_MS: Final = 1500.0
_TEXT: Final = b"def work(values):\n    return [value * 2 for value in values]\n"

_COMPONENT: Final = """\
[components.app{number:04}]
type = "python_app"
install_path = {live}
preserve = ["data/", ".env"]

[components.app{number:04}.source]
type = "directory"
allow_unsigned = true
path = {releases}

[components.app{number:04}.service]
manager = "none"
"""


@dataclass
class Ours:
    """Parts of an update as cases, and the most memory that each has needed."""

    place: Path
    peaks: dict[str, float] = field(default_factory=dict)

    def part(self, name: str) -> Callable[[], float]:
        """One part; what it needs is made before, and what it made removed afterwards, by itself."""

        def case() -> float:
            shutil.rmtree(self.place / "work", ignore_errors=True)
            said = json.loads(child(module("scale_child", name, self.place)))
            self.peaks[name] = max(self.peaks.get(name, 0.0), said["peak_mb"])
            return float(said["seconds"])

        return case


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    files, components = bench.scaled(100_000, 200), bench.scaled(1000, 10)
    with bench.room("scale") as room:
        ours = app(room, files)
        found = bench.turns(
            {
                "unpack": ours.part("unpack"),
                "tar": filled(room, lambda to: ["tar", "xf", room / "app.tar.gz", "-C", to]),
                "inventory": ours.part("inventory"),
                "sha256sum": _hashed(room),
                "carry": ours.part("carry"),
                "aside": ours.part("aside"),
                "cp": filled(room, lambda to: ["cp", "-a", room / "live", to]),
            },
            3,
        )
        config = host(room / "host", components)
        asked = bench.turns(
            {
                "check": timed(lambda: child([*fsm(), "--config", config, "check", "--force"])),
                "doctor": timed(lambda: child([*fsm(), "--config", config, "doctor"])),
            },
            5,
        )
    whole, untarred = f"{files:,} small files", "`tar x` and `sync -f`"
    limited = {
        "unpack": f"unpacking {whole}, until they are durable",
        "inventory": "their inventory with SHA-256",
        "carry": "carrying them over as preserved files",
        "aside": "setting them aside in a rollback",
    }
    return [
        *(ratio(what, found[name], untarred, found["tar"], AT_MOST) for name, what in limited.items()),
        ratio(limited["inventory"], found["inventory"], "`sha256sum` of all", found["sha256sum"]),
        ratio(limited["carry"], found["carry"], "`cp -a` and `sync -f`", found["cp"]),
        *(_memory(f"peak of resident memory: {name}", peak) for name, peak in ours.peaks.items()),
        duration(f"`fsm check --force` of {components:,} components", asked["check"], under_ms=CHECK_MS),
        duration(f"`fsm doctor` of {components:,} components", asked["doctor"], under_ms=CHECK_MS),
    ]


def _memory(what: str, peak: float) -> Figure:
    return Figure(what, f"{peak:.1f} MB", "", peak, "MB", MEMORY_MB)


def app(room: Path, files: int) -> Ours:
    """An archive of so many files, each of a few hundred bytes, and the tree that it unpacks to."""
    noise = random.Random(1)  # the same each time
    with tarfile.open(room / "app.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for number in range(files):
            data = (_TEXT * 25)[: noise.randrange(200, 1500)] + noise.randbytes(50)
            info = tarfile.TarInfo(f"app-1.0/assets/d{number // PER_DIRECTORY:04}/file{number}.py")
            info.size, info.mtime, info.mode = len(data), 1_700_000_000 + number, 0o644
            archive.addfile(info, BytesIO(data))
    (room / "live").mkdir()
    child(["tar", "xf", room / "app.tar.gz", "-C", room / "live", "--strip-components=1"])
    child(["sync", "-f", room])
    return Ours(room)


def filled(room: Path, command: Callable[[Path], Sequence[str | Path]]) -> Callable[[], float]:
    """A program that fills a new directory, and a sync of the file system."""

    def case() -> float:
        shutil.rmtree(room / "work", ignore_errors=True)
        (room / "work").mkdir()
        child(["sync", "-f", room])
        start = time.perf_counter()
        child(command(room / "work"))
        child(["sync", "-f", room / "work"])
        return time.perf_counter() - start

    return case


def _hashed(room: Path) -> Callable[[], float]:
    def work() -> None:
        find = ["find", str(room / "live"), "-type", "f", "-print0"]
        with subprocess.Popen(find, stdout=subprocess.PIPE) as names:
            subprocess.run(["xargs", "-0", "sha256sum"], stdin=names.stdout, stdout=subprocess.DEVNULL, check=True)

    return timed(work)


def host(place: Path, components: int) -> Path:
    """A host with so many apps in one directory, each with a release in a directory of its own; its configuration."""
    lines = [f"[fsm]\nstate_dir = {json.dumps(str(place / 'state'))}\n"]
    for number in range(components):
        live, releases = place / "apps" / f"app{number:04}", place / "releases" / f"app{number:04}"
        live.mkdir(parents=True)
        (live / "VERSION").write_text("1.0.0\n", encoding="utf-8")
        (releases / "1.1.0").mkdir(parents=True)
        (releases / "1.1.0" / "app-1.1.0.tar.gz").write_bytes(b"no archive, which a check does not open")
        paths = {"live": json.dumps(str(live)), "releases": json.dumps(str(releases))}
        lines.append(_COMPONENT.format(number=number, **paths))
    config = place / "fsm.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    return config
