"""On which machine, file system and versions a figure was measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.rig import ROOT


def describe(place: Path) -> str:
    """One paragraph: date, commit, processor, memory, kernel, file system, its sync time, versions, load."""
    found = place
    while not found.exists():
        found = found.parent
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}; {os.cpu_count()} × {_processor()}, {memory:.0f} GiB,"
        f" {platform.system()} {platform.release()}, {_filesystem(found)}"
        f" (4 KiB append + fdatasync: {_sync(found) * 1e6:.0f} µs); load before: {os.getloadavg()[0]:.1f};"
        f" Python {platform.python_version()}, {_versions()}"
    )


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    dirty = " with changes" if git("status", "--porcelain", "--", "fsm", "components", "benchmarks") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{dirty}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _filesystem(place: Path) -> str:
    """The type of the file system that holds a path, by the longest mount point above it."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "an unknown file system"
    above = {str(place.resolve()), *map(str, place.resolve().parents)}
    held = [mount for mount in mounts if mount[1] in above]
    return max(held, key=lambda mount: len(mount[1]))[2] if held else "an unknown file system"


def _sync(place: Path, times: int = 50) -> float:
    path = place / f".fsm-bench.{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        found = []
        for number in range(times):
            start = time.perf_counter()
            os.pwrite(descriptor, bytes(4096), number * 4096)
            os.fdatasync(descriptor)
            found.append(time.perf_counter() - start)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(found)


def _versions() -> str:
    import apsw  # noqa: PLC0415 - only its version is wanted here

    found = [f"SQLite {apsw.sqlite_lib_version()}"]
    for name in ("uv", "dbos"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
