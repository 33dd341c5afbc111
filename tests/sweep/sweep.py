"""Sweeps: hosts whose runs are struck at one of their state-changing system calls, and go on in peace."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, get_args

from tests.crash.crash_case import CrashCase, Undisturbed, Workshop, listing
from tests.crash.scenarios import SCENARIOS
from tests.powercut.outage import MEMORY, boot
from tests.sweep import judging
from tests.sweep.cli_forge import CliForge
from tests.sweep.notifier import ERRORS, NOTHING, Fault, Mode

MODES: Final[tuple[Mode, ...]] = get_args(Mode)

_RESUMED: Final = 0.25
"""The share of the cases that strike a resume."""

_MORE: Final = 60
"""Calls that a resume may have beyond those that the killed command had still before it."""


class Known(NamedTuple):
    """How a scenario goes by itself.

    Attributes:
        template: its host, before.
        wanted: the host, before and after.
        calls: how many state-changing calls there are.
        later: the names of what is there after one more update.
        instead: the same, where the scenario's own command was never given.
    """

    template: Path
    wanted: Undisturbed
    calls: int
    later: set[str]
    instead: set[str]


class Sweep:
    """Makes hosts, and strikes at their commands. A context manager."""

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="fsm-sweep-", dir=MEMORY if MEMORY.is_dir() else None))
        self.forge = CliForge(self._place)
        self._known: dict[str, Known] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self.forge.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.forge.__exit__(*exc)
        shutil.rmtree(self._place)

    def known(self, name: str) -> Known:
        """How a scenario goes by itself; recorded once."""
        if name not in self._known:
            scenario, template = SCENARIOS[name], self._place / f"template-{name}"
            template.mkdir()
            with scenario.make_fixture(template) as app_fixture:
                scenario.prepare(app_fixture)
            with self._host(name, template) as case:
                before = listing(case.app_fixture.root)
                self.forge.fault = NOTHING
                case.ask(scenario.verb)
                wanted = Undisturbed([], before, listing(case.app_fixture.root), {})
                judging.said(self.forge.heard)
                case.judge(wanted)
                calls = len(self.forge.heard[0].seen)
                later = judging.one_more(case, self.forge)
            with self._host(name, template) as case:
                self._known[name] = Known(template, wanted, calls, later, judging.one_more(case, self.forge))
        return self._known[name]

    def draw(self, name: str, modes: Sequence[Mode], chance: random.Random) -> list[Fault]:
        """The faults of one case: of the command, or of its resume after a kill."""
        calls = self.known(name).calls
        mode = chance.choice(modes)
        lasting = mode in ERRORS and chance.random() < 0.5
        if chance.random() >= _RESUMED:
            return [Fault(mode, chance.randrange(calls) + 1, lasting)]
        first = chance.randrange(calls) + 1
        return [Fault("kill", first), Fault(mode, chance.randrange(calls - first + _MORE) + 1, lasting)]

    def strike(self, name: str, faults: Sequence[Fault]) -> None:
        """Strike, resume in peace, look, and update once more.

        Raises:
            AssertionError: something of what was promised is not so.
        """
        known = self.known(name)
        with self._host(name, known.template) as case:
            for fault in faults:
                if case.run is None or case.run.in_progress:
                    self.forge.fault = fault
                    case.finish()
                    self.forge.fault = None
                    if fault.mode == "kill-all" and self.forge.heard[-1].struck:
                        case.lose_power()
                        boot(case)
            went = judging.ended(case, self.forge, known.wanted)
            judging.no_litter(judging.one_more(case, self.forge), known.later, known.instead, went=went)

    @contextmanager
    def _host(self, name: str, template: Path) -> Iterator[CrashCase]:
        self.forge.heard.clear()
        with Workshop(self.forge, name, template, self._place / f"host-{next(self._numbers)}").crash_case() as case:
            try:
                yield case
            finally:
                self.forge.kill()


def perform(sweep: Sweep, names: Sequence[str], modes: Sequence[Mode], seed: int, number: int) -> Mapping[str, Any]:
    """Draw one case of a series, and make it; what came of it."""
    chance = random.Random(f"{seed} {number}")
    name = names[number % len(names)]
    faults, begun, wrong = sweep.draw(name, modes, chance), time.monotonic(), ""
    try:
        sweep.strike(name, faults)
    except AssertionError as error:
        wrong = str(error) or repr(error.__traceback__)
    heard = sweep.forge.heard
    return {
        "number": number,
        "scenario": name,
        "faults": [str(fault) for fault in faults],
        "kinds": [fault.kind for fault in faults],
        "struck": [str(one.struck[0]) for one in heard if one.struck],
        "seconds": round(time.monotonic() - begun, 2),
        "wrong": wrong,
        "heard": [str(one) for one in heard] if wrong else [],
    }
