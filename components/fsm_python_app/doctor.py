"""What would make an update of a Python app fail, or surprise; `fsm doctor` tells of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fsm.adapter import Finding, Installed, Target
from fsm.errors import FsmError
from fsm.kit import Findings, owner_findings
from fsm_python_app import inspect, look, plan
from fsm_python_app.building import uv_program
from fsm_python_app.layout import Layout
from fsm_python_app.spec import PythonAppSpec


def examine(target: Target, spec: PythonAppSpec) -> Sequence[Finding]:
    """Everything that is worth saying."""
    say, installed = Findings(target.name), inspect.read(spec)
    return [
        *_place(target, spec, installed, say),
        say.version(installed),
        *say.unmatched(spec.preserve, spec.install_path, links=True),
        *_tools(spec, say),
    ]


def _place(target: Target, spec: PythonAppSpec, installed: Installed, say: Findings) -> Iterator[Finding]:
    live = spec.install_path
    try:
        facts = look.look(target, spec, installed, for_release=False)
        said = plan.note(facts.way, facts.why_copied, facts.live) if facts.way is not None else ""
        if facts.way is None and target.user is None:
            plan.refuse_place(target, spec)
    except FsmError as error:
        yield say.error(error.cause, error.todo)
        return
    except OSError as error:
        yield say.error(f"cannot look at {live}: {error}")
        return
    by = f" by the updater, in {live.parent}" if facts.way is None else ""
    yield say.warning(said) if said else say.ok(f"{live} can be replaced by a single rename{by}")
    yield from owner_findings(target, live, say)
    yield say.free_space(live, spec.reserve_mb)
    yield from say.set_aside(Layout.of(live).aside)
    kept = Layout.of(live).data
    if kept.is_dir() and any(kept.iterdir()):
        yield say.warning(
            f"preserved files that gave way to others are kept in {kept}",
            f"see `fsm data {say.subject} list`, and remove those that are no longer needed",
        )


def _tools(spec: PythonAppSpec, say: Findings) -> Iterator[Finding]:
    if spec.environment.builder != "pip" and uv_program() is None:
        needed = spec.environment.builder == "uv"
        yield (say.error if needed else say.warning)("uv is not installed; pip builds environments more slowly")
    python = spec.environment.python
    if python is not None and Path(python).is_absolute() and not os.access(python, os.X_OK):
        yield say.error(f"{python} cannot be run", "correct `python`")
