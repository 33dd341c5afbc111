"""A check of fifty components whose releases on GitHub have not changed, by the command itself.

Five components share a repository; so do they their question. The other side is a host where each has its own but one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, duration, timed
from benchmarks.rig import Bench, child, fsm, module, talking

COMPONENTS: Final = 50
LATENCY: Final = 50
"""Milliseconds before each answer."""

Count = Callable[[], tuple[int, int]]
"""Requests since the last call, and how many of them were counted against the rate limit."""


def measure(bench: Bench) -> list[Figure]:
    """See the module.

    Raises:
        RuntimeError: a request was counted against the rate limit, or a component was not checked.
    """
    components = bench.scaled(COMPONENTS, 4)
    few, many = max(components // 5, 1), components - 1
    with bench.room("github") as room, _github(many) as (url, count):
        asked: dict[str, int] = {}
        cases = {}
        for name, repositories in (("few", few), ("many", many)):
            host = _host(room / name, url, components, repositories)
            child(host)
            count()

            def check(host: list[str] = host, name: str = name) -> None:
                results = json.loads(child(host))["results"]
                asked[name], counted = count()
                bad = [each for each in results if each["error"] or each["installed"] != each["latest"]]
                if counted or bad or len(results) != components:
                    raise RuntimeError(f"{counted} requests were counted against the rate limit; {bad}")

            cases[name] = timed(check)
        found = bench.turns(cases, 10)
    what = f"check of {components} unchanged components"
    none = "none counted against the rate limit"
    return [
        duration(f"{what} in {few} repositories", found["few"], under_ms=1500, against=f"{LATENCY} ms latency"),
        duration(f"{what} in {many} repositories", found["many"], under_ms=1500, against=f"{LATENCY} ms latency"),
        Figure(
            f"requests for it, {few} repositories", str(asked["few"]), none, asked["few"], "requests", components - 1
        ),
        Figure(
            f"requests for it, {many} repositories", str(asked["many"]), none, asked["many"], "requests", components - 1
        ),
    ]


def _host(folder: Path, url: str, components: int, repositories: int) -> list[str]:
    """A host with so many components; the command that checks them all."""
    folder.mkdir()
    lines = [f'[fsm]\nstate_dir = "{folder}/state"\n']
    for number in range(components):
        (folder / f"app{number}").mkdir()
        (folder / f"app{number}" / "VERSION").write_text("v1.1.0\n")
        source = f'type = "github"\nrepository = "example/r{number % repositories}"\napi_url = "{url}"\n'
        source += "allow_unsigned = true\n"
        lines.append(f'[components.app{number}]\ntype = "python_app"\ninstall_path = "{folder}/app{number}"\n')
        lines.append(f'[components.app{number}.service]\nmanager = "none"\n')
        lines.append(f"[components.app{number}.source]\n{source}")
    (folder / "fsm.toml").write_text("\n".join(lines))
    return [*fsm(), "--config", str(folder / "fsm.toml"), "check", "--force", "--json"]


@contextmanager
def _github(repositories: int) -> Iterator[tuple[str, Count]]:
    with talking(module("github_fake", str(repositories), str(LATENCY))) as running:

        def count() -> tuple[int, int]:
            requests, counted = running.ask().split()
            return int(requests), int(counted)

        yield running.hear(), count
