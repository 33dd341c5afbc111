"""Runs the steps of `action.yml` and of workflow jobs on this host, as GitHub's runner does.

    runner = Runner(workspace, {"repository": "o/r", "ref": "refs/tags/v1.2.0"}, temp)
    done = runner.action(checkout, {"token": "..."})
    done.code, done.outputs, done.summary, done.annotations, done.log

Each step has files of its own for outputs, environment, path and summary (`commands`), expressions are evaluated before
a shell reads the script (`expressions`), and of this process's environment a step sees what `scripts` names. What the
runner does not know (a key, a shell, a `uses`, an input) is an error, so that nothing is passed over in silence.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.action import scripts
from tests.action.commands import SUMMARY_LIMIT, Annotation, Command, FileCommandError, Log, environment, variables
from tests.action.expressions import Contexts, as_text, is_true, names_in

STEP_KEYS: Final = frozenset(
    {
        *(
            "continue-on-error",
            "env",
            "id",
            "if",
            "name",
            "run",
            "shell",
            "timeout-minutes",
            "uses",
            "with",
            "working-directory",
        )
    }
)
STATUS: Final = frozenset({"always", "cancelled", "failure", "success"})
Uses = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Stands for an action of somebody else: takes its inputs, returns its outputs."""


class WorkflowError(ValueError):
    """A workflow or an action that GitHub would refuse, or that uses what this runner does not know."""


@dataclass
class Done:
    """What became of a step, an action or a job.

    Attributes:
        code: the exit code of the step that failed last, else 0.
        outcome: ``success``, ``failure`` or ``skipped``.
        conclusion: the same after ``continue-on-error``.
        outputs: by name.
        summary: what the job's page shows of it.
        steps: the steps with an id, by id.
        log: what people see, of an action or a job: secrets are masked.
        annotations: that were made meanwhile.
        refused: commands that were printed and do nothing any more.
    """

    code: int = 0
    outcome: str = "success"
    conclusion: str = "success"
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    steps: dict[str, Done] = field(default_factory=dict)
    log: str = ""
    annotations: list[Annotation] = field(default_factory=list)
    refused: list[Command] = field(default_factory=list)

    def context(self) -> dict[str, Any]:
        """As expressions see it."""
        return {"outcome": self.outcome, "conclusion": self.conclusion, "outputs": self.outputs}


@dataclass
class _Scope:
    """The steps of one job, or of one action within it: they share contexts and a status."""

    values: dict[str, Any]
    env: dict[str, str]
    done: Done = field(default_factory=Done)
    composite: bool = False

    def contexts(self, env: Mapping[str, str] | None = None) -> Contexts:
        """What its expressions may use."""
        steps = {name: each.context() for name, each in self.done.steps.items()}
        failed = self.done.conclusion == "failure"
        functions = {
            "always": lambda: True,
            "cancelled": lambda: False,
            "failure": lambda: failed,
            "success": lambda: not failed,
        }
        return Contexts({**self.values, "steps": steps, "env": {**self.env, **(env or {})}}, functions)


class Runner:
    """One job's machine.

    Args:
        workspace: where steps run.
        github: the context ``github``; what is not given is as on github.com.
        temp: a directory for scripts and files of steps.
        uses: stand-ins for actions of others, by their name without the commit.
        secrets: what logs must not show, beside the token.

    Attributes:
        log: of everything that ran.
        env: what steps have set for the later ones.
    """

    def __init__(
        self,
        workspace: Path,
        github: Mapping[str, str],
        temp: Path,
        *,
        uses: Mapping[str, Uses] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.log = Log()
        self.env: dict[str, str] = {}
        self._workspace, self._temp, self._uses = workspace, temp, uses or {}
        self._path: list[str] = []
        self._numbers = itertools.count(1)
        ref = github.get("ref", "refs/heads/main")
        kind, _, name = ref.removeprefix("refs/").partition("/")
        self._github: dict[str, Any] = {
            "api_url": "https://api.github.com",
            "event_name": "push",
            "ref_name": name,
            "ref_type": "tag" if kind == "tags" else "branch",
            "server_url": "https://github.com",
            "sha": "0" * 40,
            "token": "",
            "workspace": str(workspace),
            **github,
            "ref": ref,
        }
        for secret in (str(self._github["token"]), *secrets):
            self.log.hide(secret)
        self._runner = {"os": "Linux", "arch": "X64", "temp": str(temp), "environment": "github-hosted"}

    def action(self, where: Path, inputs: Mapping[str, str]) -> Done:
        """Run a composite action, as a step with `uses` does."""
        return self._ended(lambda: self._composite(where, inputs, {}))

    def job(
        self,
        workflow: Path,
        name: str,
        *,
        matrix: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Done:
        """Run the steps of one job of a workflow; what it `needs` has succeeded."""
        return self._ended(lambda: self._job(_yaml(workflow), name, matrix, secrets))

    def _ended(self, work: Callable[[], Done]) -> Done:
        """Add what the log has since then."""
        log = self.log
        lines, annotations, refused = len(log.lines), len(log.annotations), len(log.refused)
        done = work()
        done.log = "\n".join(log.lines[lines:])
        done.annotations, done.refused = log.annotations[annotations:], log.refused[refused:]
        return done

    def _job(self, read: Any, name: str, matrix: Mapping[str, Any] | None, secrets: Mapping[str, str] | None) -> Done:
        job = read["jobs"][name]
        for secret in (secrets or {}).values():
            self.log.hide(secret)
        values = {
            "github": {**self._github, "job": name},
            "inputs": {},
            "matrix": dict(matrix or {}),
            "runner": self._runner,
            "secrets": dict(secrets or {}),
        }
        scope = _Scope(values, {})
        for each in (read, job):
            scope.env |= _texts(scope.contexts(), each.get("env"))
        for step in job["steps"]:
            self._step(step, scope)
        scope.done.outputs = _texts(scope.contexts(), job.get("outputs"))
        scope.done.outcome = scope.done.conclusion
        return scope.done

    def _composite(self, where: Path, given: Mapping[str, str], env: Mapping[str, str]) -> Done:
        read = _yaml(where / "action.yml")
        if read["runs"]["using"] != "composite":
            raise WorkflowError(f"{where}: this runner knows composite actions only")
        declared = read.get("inputs") or {}
        values: dict[str, Any] = {"github": {**self._github, "action_path": str(where)}, "runner": self._runner}
        defaults = _Scope({**values, "inputs": {}}, {}).contexts()
        if unknown := sorted(set(given) - set(declared)):
            raise WorkflowError(f"unexpected inputs {unknown}, valid inputs are {sorted(declared)}")
        inputs = {name: defaults.text((each or {}).get("default")) for name, each in declared.items()}
        inputs |= {name: value for name, value in given.items() if name in declared}
        scope = _Scope({**values, "inputs": inputs}, dict(env), composite=True)
        for step in read["runs"]["steps"]:
            self._step(step, scope)
        contexts = scope.contexts()
        scope.done.outputs = {name: contexts.text(each["value"]) for name, each in (read.get("outputs") or {}).items()}
        scope.done.outcome = scope.done.conclusion
        return scope.done

    def _step(self, step: Mapping[str, Any], scope: _Scope) -> None:
        """Run a step unless its condition says no, and note what became of it."""
        if unknown := set(step) - STEP_KEYS:
            raise WorkflowError(f"a step has keys that this runner does not know: {sorted(unknown)}")
        env = _texts(scope.contexts(), step.get("env"))
        contexts = scope.contexts(env)
        done = self._performed(step, scope, contexts, env) if _wanted(step, contexts) else Done(0, "skipped", "skipped")
        if done.outcome == "failure":
            done.conclusion = "success" if is_true(contexts.fill(step.get("continue-on-error", False))) else "failure"
        if done.conclusion == "failure":
            scope.done.conclusion, scope.done.code = "failure", done.code
        scope.done.summary += done.summary
        if "id" in step:
            scope.done.steps[step["id"]] = done

    def _performed(self, step: Mapping[str, Any], scope: _Scope, contexts: Contexts, env: dict[str, str]) -> Done:
        if "run" in step:
            return self._script(step, scope, contexts, env)
        given = _texts(contexts, step.get("with"))
        uses = str(step["uses"])
        if uses.startswith("./"):
            return self._composite((self._workspace / uses).resolve(), given, {**scope.env, **env})
        name = uses.partition("@")[0]
        if name not in self._uses:
            raise WorkflowError(f"nothing stands for {name}")
        return Done(outputs=dict(self._uses[name](given)))

    def _script(self, step: Mapping[str, Any], scope: _Scope, contexts: Contexts, env: dict[str, str]) -> Done:
        shell = contexts.text(step.get("shell"))
        if shell not in scripts.SHELLS or (scope.composite and not shell):
            raise WorkflowError(f"a step has the shell {shell!r}; known are {', '.join(filter(None, scripts.SHELLS))}")
        number = next(self._numbers)
        script = self._temp / f"{number}.sh"
        script.write_text(contexts.text(step["run"]) + "\n", encoding="utf-8", newline="\n")
        files = {name: self._temp / f"{number}-{name}" for name in ("env", "output", "path", "state", "step_summary")}
        for path in files.values():
            path.write_bytes(b"")
        given = self._environment(scope, env) | {f"GITHUB_{name.upper()}": str(path) for name, path in files.items()}
        where = self._workspace / contexts.text(step.get("working-directory"))
        code, printed = scripts.run(shell, script, given, where)
        self.log.feed(printed)
        done = Done(code, "success" if code == 0 else "failure")
        if code:
            self.log.say("error", f"Process completed with exit code {code}.")
        try:
            self._take(files, done)
        except (FileCommandError, UnicodeDecodeError) as error:
            self.log.say("error", f"Unable to process file command successfully: {error}")
            done.outcome = "failure"
        return done

    def _take(self, files: Mapping[str, Path], done: Done) -> None:
        """Read what a step has written into its files."""
        text = {name: path.read_bytes().decode() for name, path in files.items()}
        self.env |= environment(text["env"])
        self._path = [*reversed(text["path"].split("\n")), *self._path]
        if len(text["step_summary"].encode()) > SUMMARY_LIMIT:
            self.log.say("error", "$GITHUB_STEP_SUMMARY supports content up to a size of 1024k")
        else:
            done.summary = self.log.scrubbed(text["step_summary"])
        done.outputs = variables(text["output"])

    def _environment(self, scope: _Scope, env: Mapping[str, str]) -> dict[str, str]:
        whole = {**scripts.kept(), **self.env, **scope.env, **env}
        context = scope.values["github"]
        whole |= {
            f"GITHUB_{name.upper()}": as_text(context[name]) for name in scripts.IN_ENVIRONMENT if name in context
        }
        whole |= {f"RUNNER_{name.upper()}": value for name, value in self._runner.items()}
        whole |= {"CI": whole.get("CI", "true"), "GITHUB_ACTIONS": "true"}
        whole["PATH"] = os.pathsep.join(filter(None, [*self._path, whole.get("PATH", "")]))
        return whole


def _wanted(step: Mapping[str, Any], contexts: Contexts) -> bool:
    """Whether a step runs: a condition that does not ask for the status is one of success as well."""
    condition = as_text(step.get("if", "")).strip()
    if condition.startswith("${{") and condition.endswith("}}"):
        condition = condition[3:-2]
    if not names_in(condition) & STATUS:
        condition = f"success() && ({condition})" if condition.strip() else "success()"
    return is_true(contexts.evaluate(condition))


def _texts(contexts: Contexts, given: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: contexts.text(value) for name, value in (given or {}).items()}


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
