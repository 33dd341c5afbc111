"""Runs a composite action's steps on this host as GitHub's runner does, as far as `action.yml` uses it.

Expressions have one form here, ``${{ context.name }}`` with dots, and are replaced in `env`, `run` and outputs;
anything else in them fails, so that a new form in the action is noticed. The rest is GitHub's:

- ``shell: bash`` runs the script's file by ``bash --noprofile --norc -eo pipefail {0}``
  (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell);
- a step reads and writes the files of `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_PATH` and `GITHUB_STEP_SUMMARY`, with
  ``name=value`` and ``name<<MARK`` lines; old commands on standard output (``::set-output``) are not honoured;
- ``::add-mask::`` and secrets are shown as ``***``, each line of a secret by itself; ``::error`` lines are annotations.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

_EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_PLAIN: Final = re.compile(r"\s*([A-Za-z_][\w-]*(?:\.[\w-]+)+)\s*")
_ANNOTATION: Final = re.compile(r"^::(error|warning|notice)(?: (.*?))?::(.*)$", re.MULTILINE)
_MASK: Final = re.compile(r"^::add-mask::(.*)$", re.MULTILINE)
_BASH: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


class ActionError(Exception):
    """The action asks for what GitHub, or this runner, does not do."""


@dataclass
class Done:
    """What an action has left.

    Attributes:
        code: of the step that failed, else 0.
        log: what people see: secrets are masked.
        outputs: of the action.
        summary: Markdown.
        annotations: (level, properties, message) as GitHub shows them.
    """

    code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    annotations: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Runner:
    """A runner of one composite action.

    Attributes:
        action: its directory.
        workspace: where the job has checked out.
        github: the context: `repository`, `api_url`, `token` ...
        secrets: values that the log must not show.
        temp: for scripts and file commands.
    """

    action: Path
    workspace: Path
    temp: Path
    github: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    def run(self, inputs: Mapping[str, str], env: Mapping[str, str]) -> Done:
        """Run all steps, until one fails."""
        described = YAML(typ="safe").load((self.action / "action.yml").read_text(encoding="utf-8"))
        if described["runs"]["using"] != "composite":
            raise ActionError("no composite action")
        unknown = set(inputs) - set(described["inputs"])
        if unknown:
            raise ActionError(f"unexpected inputs {sorted(unknown)}")
        github = {**self.github, "action_path": str(self.action)}
        contexts: dict[str, Any] = {"github": github, "steps": {}}
        contexts["inputs"] = {
            name: inputs.get(name, _filled(str(each.get("default", "")), contexts))
            for name, each in described["inputs"].items()
        }
        done, environment, masks = Done(), dict(env), list(self.secrets)
        for number, step in enumerate(described["runs"]["steps"]):
            done.code = self._step(number, step, contexts, environment, masks, done)
            if done.code:
                return done
        for name, each in described.get("outputs", {}).items():
            done.outputs[name] = _filled(each["value"], contexts)
        return done

    def _step(
        self,
        number: int,
        step: Mapping[str, Any],
        contexts: dict[str, Any],
        environment: dict[str, str],
        masks: list[str],
        done: Done,
    ) -> int:
        if step.get("shell") != "bash" or set(step) - {"id", "name", "shell", "env", "run"}:
            raise ActionError(f"this runner knows no such step: {dict(step)}")
        script = self.temp / f"{number}.sh"
        script.write_text(_filled(step["run"], contexts), encoding="utf-8")
        files = {name: self.temp / f"{name}-{number}" for name in ("ENV", "OUTPUT", "PATH", "STEP_SUMMARY")}
        for path in files.values():
            path.write_text("", encoding="utf-8")
        given = {name: _filled(str(value), contexts) for name, value in step.get("env", {}).items()}
        reserved = {f"GITHUB_{name}": str(path) for name, path in files.items()}
        ran = subprocess.run(
            [*_BASH, str(script)],
            env={**environment, **given, **reserved},
            cwd=self.workspace,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )
        text = ran.stdout.decode("utf-8", "replace")
        masks += [_unescaped(found) for found in _MASK.findall(text)]
        done.log += masked(_MASK.sub("::add-mask::***", text), masks)
        done.annotations += [(level, props or "", _unescaped(said)) for level, props, said in _ANNOTATION.findall(text)]
        done.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")
        contexts["steps"][step.get("id", str(number))] = {"outputs": commands(files["OUTPUT"].read_text("utf-8"))}
        environment.update(commands(files["ENV"].read_text(encoding="utf-8")))
        added = files["PATH"].read_text(encoding="utf-8").split("\n")
        environment["PATH"] = os.pathsep.join([*filter(None, reversed(added)), environment["PATH"]])
        return ran.returncode


def masked(text: str, secrets: list[str]) -> str:
    """A log with each line of each secret hidden, the longest first."""
    lines = {line.strip() for secret in secrets for line in secret.splitlines() if line.strip()}
    for line in sorted(lines, key=len, reverse=True):
        text = text.replace(line, "***")
    return text


def commands(text: str) -> dict[str, str]:
    """What a file of commands says.

    Raises:
        ActionError: a line is none, or a value does not end.
    """
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, value = line.partition("<<")
        if "=" in name or not mark:
            name, mark, value = line.partition("=")
            if not mark:
                raise ActionError(f"invalid format {line!r}")
            found[name] = value
            continue
        inside: list[str] = []
        for each in lines:
            if each == value:
                break
            inside.append(each)
        else:
            raise ActionError(f"the value of {name} does not end: no {value!r}")
        found[name] = "\n".join(inside)
    return found


def _filled(text: str, contexts: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        plain = _PLAIN.fullmatch(found[1])
        if plain is None:
            raise ActionError(f"this runner does not know the expression {found[0]}")
        at: Any = contexts
        for part in plain[1].split("."):
            at = at.get(part, "") if isinstance(at, Mapping) else ""
        return str(at)

    return _EXPRESSION.sub(value, text)


def _unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
