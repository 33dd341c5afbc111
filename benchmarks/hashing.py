"""`fsm release build` over large artifacts, beside the programs that people take for checksums."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, ratio, timed
from benchmarks.rig import Bench, child, environment, fsm

FILES: Final = 8
LIMIT_MB: Final = 80.0
_PEAK: Final = """\
import sys
from fsm.cli import main
code = main()
status = open("/proc/self/status").read()
print("peak", status.partition("VmHWM:")[2].split()[0], file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""


def measure(bench: Bench) -> list[Figure]:
    """See the module."""
    total = bench.scaled(4 << 30, 4 << 20)
    with bench.room("hashing") as room:
        artifacts = _artifacts(room / "dist", total)
        (room / "update.yaml").write_text(
            "components: [{name: web, type: python_app, artifacts: [{path: dist/*}]}]\n", encoding="utf-8"
        )
        arguments: list[str | Path] = [
            "release",
            "build",
            "--description",
            room,
            "--version",
            "1.0.0",
            "--output",
            room / "out",
        ]
        cases = {
            "fsm": timed(lambda: child([*fsm(), *arguments])),
            "sha256sum": timed(lambda: child(["sha256sum", *artifacts])),
            "openssl": _together(["openssl", "dgst", "-sha256", *artifacts[::2]], artifacts[1::2]),
        }
        found = bench.turns(cases, 3)
        peak = int(child([sys.executable, "-c", _PEAK, *arguments]).split()[-1]) / 1000
    what = f"manifest and sums of {FILES} files, {total / 2**20:,.0f} MiB"
    ours = found["fsm"]
    return [
        ratio(what, ours, "coreutils `sha256sum`", found["sha256sum"], 5, "at least"),
        ratio(what, ours, "two `openssl dgst -sha256` at the same time", found["openssl"], 0.9, "at least"),
        Figure("its peak of resident memory", f"{peak:.1f} MB", "", peak, "MB", LIMIT_MB),
    ]


def _artifacts(place: Path, total: int) -> list[Path]:
    """Files of the same size, written just now and so in the page cache: hashing is measured, not the disk."""
    place.mkdir()
    block = os.urandom(min(total // FILES, 1 << 26))
    paths = [place / f"web-{number}.bin" for number in range(FILES)]
    for path in paths:
        with path.open("wb") as file:
            for _ in range(total // FILES // len(block)):
                file.write(block)
    os.sync()
    return paths


def _together(first: Sequence[str | Path], others: Sequence[Path]) -> Callable[[], float]:
    """Two processes of one program, each with half of the files."""

    def work() -> None:
        calls = [first, [*first[:3], *others]]
        running = [subprocess.Popen(call, env=environment(), stdout=subprocess.DEVNULL) for call in calls]
        for call, each in zip(calls, running, strict=True):
            if each.wait(timeout=1800):
                raise RuntimeError(f"{call[0]} exited with {each.returncode}")

    return timed(work)
