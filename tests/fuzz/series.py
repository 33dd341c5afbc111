"""One target for so many seconds in a process of its own, what came of it, and the page that tells of it."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz.replay import CORPUS, REGRESSIONS
from tests.fuzz.targets import target
from tests.hosts.kills import page

ROOT: Final = Path(__file__).resolve().parents[2]
BUDGET: Final = 24 << 10
"""Bytes of a target's corpus in the repository."""

HOMES: Final = "fsm-fuzz-"
"""How the names of directories begin in which readers work while they are fuzzed."""

_STATUS: Final = re.compile(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)


@dataclass
class Result:
    """What fuzzing a target has told.

    Attributes:
        name: of the target.
        seconds: how long it was, all times together.
        cpu: seconds of it that the fuzzer had a processor, as the machine may have been busy.
        seed: of the last time.
        executions: inputs.
        coverage, features: as libFuzzer counts them: edges of the instrumented code, and edges with how often.
        inputs: in the corpus afterwards.
        findings: what was found, by the input's file, after it was replayed without the fuzzer.
        commit: what was fuzzed.
    """

    name: str
    seconds: int
    cpu: int
    seed: int
    executions: int
    coverage: int
    features: int
    inputs: int
    findings: dict[str, str] = field(default_factory=dict)
    commit: str = ""

    def line(self) -> str:
        """For people."""
        told = f"{self.executions:,} executions, {self.coverage} edges, {self.features} features, {self.inputs} inputs"
        found = "".join(f"\n{path}: {what}" for path, what in self.findings.items())
        took = f"{self.seconds} s, {self.cpu} s of them with a processor (seed {self.seed})"
        return f"{self.name}: {took}, {told}, {len(self.findings)} findings{found}"


def fuzz(name: str, place: Path, seconds: int, seed: int = 0, runs: int = -1) -> Result:
    """Fuzz one target.

    Args:
        name: of the target.
        place: where inputs, findings and results are kept.
        seconds: how long, at most.
        seed: 0 draws one.
        runs: how many inputs, at most; -1: as many as there is time for.

    Raises:
        RuntimeError: the fuzzer itself did not work.
    """
    seed = seed or random.randrange(1, 1 << 31)
    grown, found = place / "corpus" / name, place / "findings" / name
    for folder in (grown, found, place / "seeds" / name):
        folder.mkdir(parents=True, exist_ok=True)
    before = _children()
    done = _engine(
        name,
        found,
        *(f"-max_total_time={seconds}", f"-runs={runs}", f"-seed={seed}", f"-max_len={target(name).LONGEST}"),
        *(f"-dict={place / name}.dict", f"-artifact_prefix={found}/", "-timeout=30", "-rss_limit_mb=2048"),
        *("-print_final_stats=1", "-verbosity=1"),
        *(str(each) for each in (grown, place / "seeds" / name, CORPUS / name, REGRESSIONS / name) if each.is_dir()),
    )
    (place / f"{name}.log").write_text(done.stderr)
    cpu = round(_children() - before)
    told = _STATUS.findall(done.stderr)
    if not told:
        raise RuntimeError(f"the fuzzer has told nothing: exit code {done.returncode}\n{done.stderr[-3000:]}")
    executions, coverage, features, inputs = map(int, told[-1])
    result = Result(name, seconds, cpu, seed, executions, coverage, features, inputs, _judged(name, found), _commit())
    if done.returncode and not result.findings:
        raise RuntimeError(f"the fuzzer ended with {done.returncode}\n{done.stderr[-3000:]}")
    _remember(place, result)
    return result


def _children() -> float:
    """Seconds that ended children had a processor."""
    times = os.times()
    return times.children_user + times.children_system


def _engine(name: str, found: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The fuzzer; it is not measured, whatever is measured here."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    environment["FSM_FUZZ_PROGRAM"] = str(_program(name, found))
    environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "components")))
    command = [sys.executable, "-m", "tests.fuzz.engine", name, str(found), *arguments]
    with tempfile.TemporaryDirectory(prefix=HOMES, dir=memory(), ignore_cleanup_errors=True) as home:
        return _ask(command, env=environment | {"TMPDIR": home})


def memory() -> str | None:
    """Where files are quick; else wherever they go."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _program(name: str, found: Path) -> Path:
    """The fuzzer of a target as a program, which libFuzzer starts itself when it merges."""
    program = found.parent.parent / f"{name}.sh"
    command = shlex.join([sys.executable, "-m", "tests.fuzz.engine", name, str(found)])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    return program


def _judged(name: str, found: Path) -> dict[str, str]:
    """What the kept inputs do without the fuzzer, each in a process of its own; those that do nothing go."""
    judged: dict[str, str] = {}
    for path in sorted(found.iterdir()):
        command = [sys.executable, "-m", "tests.fuzz.replay", name, str(path)]
        try:
            done = _ask(command, timeout=120)
            told = done.stdout + done.stderr if done.returncode else ""
        except subprocess.TimeoutExpired:
            told = "did not end within 120 s"
        if told:
            judged[str(path)] = told
        else:
            path.unlink()
    return judged


def _commit() -> str:
    return _ask(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()


def _ask(command: list[str], **about: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, text=True, errors="replace", capture_output=True, check=False, **about)


def _remember(place: Path, result: Result) -> None:
    """Add a time to what earlier ones have told."""
    path = place / "results" / f"{result.name}.json"
    path.parent.mkdir(exist_ok=True)
    whole = asdict(result)
    if path.exists():
        before = json.loads(path.read_text())
        for key in ("seconds", "cpu", "executions"):
            whole[key] += before[key]
    path.write_text(json.dumps(whole))


def keep(name: str, place: Path) -> str:
    """Put into the repository what reaches the most with the fewest bytes; says how much that is."""
    merged, kept = place / "merged" / name, CORPUS / name
    merged.mkdir(parents=True, exist_ok=True)
    for path in merged.iterdir():
        path.unlink()
    sources = [place / "corpus" / name, *([kept] if kept.is_dir() else [])]
    done = _engine(name, place / "findings" / name, "-merge=1", str(merged), *map(str, sources))
    found = sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    if not found:
        raise RuntimeError(f"merging has kept nothing: exit code {done.returncode}\n{done.stderr[-3000:]}")
    kept.mkdir(parents=True, exist_ok=True)
    for path in kept.iterdir():
        path.unlink()
    size = number = 0
    for path in found:
        size += path.stat().st_size
        if size > BUDGET:
            break
        (kept / path.name[:12]).write_bytes(path.read_bytes())
        number += 1
    return f"{name}: {number} of {len(found)} inputs"


def write_page(place: Path) -> None:
    """Write the table of all results into docs/reliability.md."""
    rows = [json.loads(path.read_text()) for path in sorted((place / "results").glob("*.json"))]
    lines = ["| target | minutes | executions | edges | features | findings left |", "|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        told = f"{row['executions']:,} | {row['coverage']:,} | {row['features']:,} | {len(row['findings'])}"
        lines.append(f"| {row['name']} | {row['seconds'] / 60:.0f} | {told} |")
    page.write({"fuzzing": "\n".join(lines)})
