"""What things cost against how many or how large they are, drawn: ours, and what people know beside it.

Of a limit there is nothing to see in one number. A curve that bends upwards, where the other one does not, is a square
of something that nobody wanted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import picture, scale
from benchmarks.figures import Figure, interleaved, ratio, timed
from benchmarks.journal import driver
from benchmarks.rig import ROOT, Bench, child, fsm
from fsm.engine.journal import Journal

LONG: Final = 2.0
"""Seconds from which a case is measured once."""

PICTURES: Final = ROOT / "docs" / "pictures"

Case = Callable[[], float]


class Curve(NamedTuple):
    """What one picture shows.

    Attributes:
        name: of the picture's file.
        title: what is done.
        unit: of what there are so many.
        sizes: how many; the first ones are enough for a quick look.
        made: for a size, the cases to measure.
        most: times as long as with the smallest size that the largest one may take.
    """

    name: str
    title: str
    unit: str
    sizes: tuple[int, ...]
    made: Callable[[Path, int], dict[str, Case]]
    most: float | None = None


def measure(bench: Bench) -> list[Figure]:
    """See the module. Each size is made, measured, and removed before the next one."""
    figures = []
    for curve in CURVES:
        lines: dict[str, list[float]] = {}
        sizes = curve.sizes[: bench.scaled(len(curve.sizes), 2)]
        for size in sizes:
            with bench.room(f"curves-{curve.name}") as room:
                for name, found in _medians(bench, curve.made(room, size)).items():
                    lines.setdefault(name, []).append(found)
        if not bench.quick:
            picture.draw(PICTURES / f"{curve.name}.svg", curve.title, curve.unit, sizes, lines)
        first, last = f"{sizes[0]:,}", f"{sizes[-1]:,}"
        figures += [
            ratio(f"{name}: {last} {curve.unit} beside {first}", found[-1:], first, found[:1], curve.most)
            for name, found in lines.items()
        ]
    return figures


def _medians(bench: Bench, cases: dict[str, Case]) -> dict[str, float]:
    """Of one turn, where one of them takes long; of three after it, where none does."""
    found = interleaved(cases, 1, warm=False)
    if max(samples[0] for samples in found.values()) < LONG:
        found = bench.turns(cases, 3)
    return {name: statistics.median(samples) for name, samples in found.items()}


def _unpacked(room: Path, files: int) -> dict[str, Case]:
    ours = scale.app(room, files)
    return {
        "unpack step": ours.part("unpack"),
        "tar x, sync": scale.filled(room, lambda to: ["tar", "xf", room / "app.tar.gz", "-C", to]),
    }


def _preserved(room: Path, megabytes: int) -> dict[str, Case]:
    """Eight files, so many bytes together, that no file system can pack."""
    assets = room / "live" / "assets"
    assets.mkdir(parents=True)
    for number in range(8):
        command = f"head -c {megabytes * 1_000_000 // 8} /dev/urandom > {assets / str(number)}"
        child(["sh", "-c", command])
    return {
        "carry over": scale.Ours(room).part("carry"),
        "cp -a, sync": scale.filled(room, lambda to: ["cp", "-a", room / "live", to]),
    }


def _asked(room: Path, components: int) -> dict[str, Case]:
    config = scale.host(room / "host", components)
    return {
        "fsm check": timed(lambda: child([*fsm(), "--config", config, "check", "--force"])),
        "fsm doctor": timed(lambda: child([*fsm(), "--config", config, "doctor"])),
        "fsm status": timed(lambda: child([*fsm(), "--config", config, "status"])),
    }


def _remembered(room: Path, runs: int) -> dict[str, Case]:
    """A host of one app, whose journal has so many runs of seven steps."""
    config = scale.host(room / "host", 1)
    with Journal(room / "host" / "state" / "journal.db") as journal:
        drive = driver(journal, room)
        for _ in range(runs):
            drive()
    return {
        "fsm status": timed(lambda: child([*fsm(), "--config", config, "status"])),
        "fsm resume, nothing to do": timed(lambda: child([*fsm(), "--config", config, "resume"])),
        "fsm history": timed(lambda: child([*fsm(), "--config", config, "history"])),
    }


CURVES: Final = (
    Curve("files", "Small files of an app", "files", (10, 100, 1_000, 10_000, 100_000), _unpacked),
    Curve("bytes", "Bytes that are preserved", "MB", (1, 16, 256, 4096), _preserved),
    Curve("components", "Components of a host", "components", (1, 10, 100, 1000), _asked),
    Curve("runs", "Runs in the journal", "runs", (1, 10, 100, 1_000, 10_000), _remembered, most=1.5),
)
