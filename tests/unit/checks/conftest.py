"""What the tests of checks share: a context whose parts a test replaces."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from fsm.adapter import CommandResult, Installed
from fsm.formats.checkspec import Check
from fsm.services.checks import CheckContext, Outcome, perform


class Runner:
    """Runs nothing, and may be told to stop."""

    def __init__(self) -> None:
        self.stop: BaseException | None = None
        self.checks = 0

    def check(self) -> None:
        """Raise when it is time to stop."""
        self.checks += 1
        if self.stop is not None:
            raise self.stop

    def run(
        self, argv: Any, *, cwd: Any = None, env: Any = None, timeout: float | None = None, as_user: bool = False
    ) -> CommandResult:
        """Refuse."""
        raise AssertionError("no command was expected")


Perform = Callable[..., Outcome]


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    """A component in an empty directory, with nothing else."""
    return CheckContext(
        path=tmp_path,
        service=None,
        installed=Installed,
        backups=tuple,
        expected=None,
        runner=Runner(),
        sleep=time.sleep,
        remaining=lambda: 600.0,
        now=lambda: datetime.now(UTC),
        settle=0.2,
    )


@pytest.fixture
def check(context: CheckContext) -> Perform:
    """Performs a check as a configuration describes it, in the context with some parts replaced."""

    def run(kind: str, parts: dict[str, Any] | None = None, **options: object) -> Outcome:
        spec: Any = TypeAdapter[Any](Check).validate_json(json.dumps({"type": kind} | options))
        return perform(spec, dataclasses.replace(context, **(parts or {})))

    return run
