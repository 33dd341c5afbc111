"""Programs in the place of `docker` and compose's plugin that write down each call, and make it.

A command that changes the engine has to be a child of the run: it carries the run's mark, by which a resume finds it.
What is only asked carries none.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

from fsm.adapter import Step, StepContext, StepResult
from fsm.engine import performing
from fsm.engine.executor import runner
from fsm.services.docker import compose
from fsm.system.shell import MARKER

LOOKS: Final = frozenset(
    tuple(words.split())
    for words in (
        "manifest inspect",
        "container inspect",
        "container logs",
        "image inspect",
        "image ls",
        "system dial-stdio",
        "compose config",
        "compose version",
        "compose docker-cli-plugin-metadata",
    )
)
"""The commands that change nothing."""

_LOOKS_BY_ITSELF: Final = ("ps", "info", "version", "logs")

_VALUED: Final = ("--project-name", "--project-directory", "--file", "--env-file", "--profile", "--progress", "--ansi")

_SCRIPT: Final = """\
#!/bin/sh
echo "${{{marker}}}|{name}$*" >> {log}
exec {real} "$@"
"""


class Witness:
    """What was called.

    Args:
        place: an empty directory.
        patch: puts the programs where they are found first.
    """

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self._log = place / "calls"
        plugin, docker = compose.find(), shutil.which("docker")
        assert docker is not None
        plugins = place / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        self._write(place / "docker", "", docker)
        if len(plugin) == 1:
            self._write(plugins / "docker-compose", "compose ", plugin[0])
            patch.setenv("DOCKER_CONFIG", str(plugins.parent))
        patch.setenv("PATH", f"{place}:{os.environ['PATH']}")

    def _write(self, path: Path, name: str, real: str) -> None:
        path.write_text(_SCRIPT.format(marker=MARKER, name=name, log=self._log, real=real))
        path.chmod(0o755)

    def forget(self) -> None:
        """Forget what was called until now, by the test itself."""
        self._log.unlink(missing_ok=True)

    def calls(self) -> list[tuple[bool, tuple[str, str]]]:
        """Whether it had a run's mark, and what the command was, of each call."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        pairs = (line.partition("|") for line in lines)
        return [(bool(mark), _verb(words.split())) for mark, _, words in pairs]

    def unmarked(self) -> list[tuple[str, str]]:
        """The commands that change something and that no resume would find."""
        return [verb for marked, verb in self.calls() if not marked and not _looks(verb)]

    def changes(self) -> set[tuple[str, str]]:
        """The commands that changed something."""
        return {verb for _, verb in self.calls() if not _looks(verb)}


def _looks(verb: tuple[str, str]) -> bool:
    return verb in LOOKS or verb[0] in _LOOKS_BY_ITSELF


def _verb(words: list[str]) -> tuple[str, str]:
    """The first two words of a command that are no options; of compose's the options have values."""
    found: list[str] = []
    skip = False
    for word in words:
        if not skip and not word.startswith("-"):
            found.append(word)
        skip = not skip and word in _VALUED
    return found[0], found[1] if len(found) > 1 else ""


def synced(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[Path]]:
    """Which places each step has synced before its end is written, by its name; filled while runs go on."""
    found: dict[str, set[Path]] = {}

    def perform(step: Step, verb: str, ctx: StepContext) -> StepResult:
        found.setdefault(step.name, set()).update(step.durable(ctx))
        return performing.perform(step, verb, ctx)

    monkeypatch.setattr(runner, "perform", perform)
    return found
