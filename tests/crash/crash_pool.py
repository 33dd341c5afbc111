"""Where crash cases are made: the forges, and for each scenario its template and its undisturbed run."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.crash.crash_case import CrashCase, Forge, Undisturbed, Workshop, listing
from tests.crash.scenarios import SCENARIOS

LANES: Final = 3
"""Cases at one time in each worker of pytest: half of a case's time is waiting."""


class CrashPool:
    """Where crash cases are made and tried, several at a time. A context manager."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._stack = ExitStack()
        self._forges: queue.LifoQueue[Forge] = queue.LifoQueue()
        self._lane = itertools.count()
        self._known: dict[str, tuple[Path, Undisturbed]] = {}
        self._count = itertools.count()

    def __enter__(self) -> CrashPool:
        self._pool = self._stack.enter_context(ThreadPoolExecutor(LANES))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def undisturbed(self, name: str) -> Undisturbed:
        """How a scenario goes by itself; recorded once."""
        if name not in self._known:
            scenario, place = SCENARIOS[name], self._place / name
            place.mkdir()
            with scenario.make_fixture(place / "template") as app_fixture:
                scenario.prepare(app_fixture)
            with self._case(name, place / "template") as crash_case:
                before = listing(crash_case.app_fixture.root)
                answer = crash_case.ask(scenario.verb)
                wanted = Undisturbed(
                    answer["trail"], before, listing(crash_case.app_fixture.root), answer["results"][0]
                )
                crash_case.judge(wanted)
            self._known[name] = place / "template", wanted
        return self._known[name][1]

    @contextmanager
    def _case(self, name: str, template: Path) -> Iterator[CrashCase]:
        place = template.parent / f"{next(self._count)}"
        try:
            forge = self._forges.get_nowait()
        except queue.Empty:  # not more than there are lanes: each has one, from here to the end of its case
            forge = self._stack.enter_context(Forge(self._place / f"forge-{next(self._lane)}.log"))
        try:
            with Workshop(forge, name, template, place).crash_case() as crash_case:
                yield crash_case
        finally:
            self._forges.put(forge)

    def try_all(self, name: str, tries: Iterable[tuple[str, Callable[[CrashCase, Undisturbed], None]]]) -> None:
        """Do something to a new crash case of a scenario, for each of `tries`; reports all that fail.

        Args:
            name: the scenario.
            tries: what is done, each with a word for people.
        """
        wanted = self.undisturbed(name)
        template = self._known[name][0]

        def one(label: str, act: Callable[[CrashCase, Undisturbed], None]) -> str:
            try:
                with self._case(name, template) as crash_case:
                    act(crash_case, wanted)
            except AssertionError as error:
                return f"{label}: {error}"
            return ""

        failed = [text for text in self._pool.map(lambda pair: one(*pair), tries) if text]
        assert not failed, "\n".join(failed)


def some(numbers: list[int], most: int) -> list[int]:
    """The first and the last of them, and evenly spread ones in between."""
    if len(numbers) <= most:
        return numbers
    return sorted({numbers[round(i * (len(numbers) - 1) / (most - 1))] for i in range(most)})
