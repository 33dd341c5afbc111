"""`make hostkills`: kills machines, and writes what became of them into `docs/reliability.md`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from tests.hosts.kills import page
from tests.hosts.kills.scenarios import SCENARIOS
from tests.hosts.kills.series import Series, perform_series
from tests.hosts.kills.trial import Trial
from tests.hosts.machine import Machine
from tests.hosts.rootfs import ROOT
from tests.powercut.disk import KINDS

_ASK: Final = (
    "docker ps --all --no-trunc && docker ps --all --quiet | xargs -r docker inspect",
    "fsm status && fsm history --limit 3 && fsm show",
    "ps axf",
)
RESULTS = ROOT / "build" / "hostkills"


def main(argv: list[str]) -> int:
    """The command line.

    Returns:
        The exit code: 1 where a host of ours did not end as it should.
    """
    known = {scenario.name: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.kills", description=__doc__)
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(known)}; all where none is named")
    parser.add_argument("--kills", type=int, default=60, help="in the middle of an update, for each (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--disk", choices=KINDS, default="", help="have the kills take what was not synced, too")
    parser.add_argument("--page", action="store_true", help="write the newest results of all into docs/reliability.md")
    given = parser.parse_args(argv)
    if unknown := [name for name in given.scenario if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}")
    problems = []
    for name in given.scenario or known:
        series = perform_series(
            known[name], given.kills, given.seed, disk=given.disk, keep=_keep, look=partial(_look, name)
        )
        if known[name].components:
            problems += series.problems
    if given.page:
        _write_page({name: scenario.title for name, scenario in known.items()})
    print("\n".join(problems) or "every host ended in a good state")
    return 1 if problems else 0


def _keep(series: Series) -> None:
    """Remember a series, so that the page can be written from several calls."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    document = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(series)}
    (RESULTS / f"{series.name}.json").write_text(json.dumps(document, indent=1))


def _look(name: str, trial: Trial, host: Machine) -> None:
    """What a machine says that did not end as it should; the next moment it is removed."""
    told = [
        *(host.try_run("journalctl", "--no-pager", "--lines=2000").stdout,),
        *(host.try_run("sh", "-c", command).stdout for command in _ASK),
    ]
    (RESULTS / f"{name}-{trial.number}.txt").write_text("\n\n".join(told))


def _write_page(titles: dict[str, str]) -> None:
    series, seeds, newest = _read([f"{name}.json" for name in titles])
    page.write(
        {
            "outcomes": page.outcomes(series, titles),
            "states": page.states(series, titles),
            "problems": page.failures(series, titles),
            "how": f"Measured on {newest}, by `make hostkills`; seeds: {seeds}.",
        }
    )
    cut, seeds, newest = _read([f"{name}-{kind}.json" for name in titles for kind in KINDS])
    if cut:
        page.write({"disks": f"{page.outcomes(cut, titles)}\n\nMeasured on {newest}; seeds: {seeds}."})


def _read(names: list[str]) -> tuple[list[Series], str, str]:
    """The series that there are, their seeds, and the date of the newest one."""
    found = [json.loads((RESULTS / name).read_text()) for name in names if (RESULTS / name).exists()]
    series = [_thaw(document) for document in found]
    seeds = ", ".join(f"{one.name} {one.seed}" for one in series)
    return series, seeds, max((document["at"] for document in found), default="")[:10]


def _thaw(document: dict[str, Any]) -> Series:
    trials = [Trial(**trial) for trial in document["trials"]]
    return Series(document["scenario"], document["seed"], document["span"], trials, document.get("disk", ""))


if __name__ == "__main__":
    began = time.monotonic()
    code = main(sys.argv[1:])
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
