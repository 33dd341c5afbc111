"""The program that is compose, version 2: found without a process where packages put it, and never anything else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fsm.errors import CommandFailed, DeadlineExceeded, StepFailed, Transient, Unsupported
from fsm.services.docker.endpoint import configured, settings
from fsm.system.shell import ask

PLUGIN: Final = ("docker", "compose")

PLACES: Final = tuple(
    Path(top, place, "docker/cli-plugins") for top in ("/usr/local", "/usr") for place in ("lib", "libexec")
)
"""Where packages put plugins: https://docs.docker.com/compose/install/linux/#install-the-plugin-manually."""

_WHAT: Final = "cannot use compose services"
_INSTALL: Final = "install the compose plugin, version 2 (https://docs.docker.com/compose/install/linux/)"


def find() -> tuple[str, ...]:
    """The program that is ``docker compose``, or a ``docker-compose`` of version 2.

    The plugin is a program of its own. Called where it lies, it need not be asked by `docker` at each call what it is,
    which is half of the time that a question to compose takes; version 1 never was a plugin.

    Raises:
        Unsupported: there is none, or only version 1.
    """
    plugin = next(_plugins(), None)
    if plugin is not None:
        return (str(plugin),)
    version, complaint = _version([*PLUGIN, "version", "--short"])
    if version is not None:
        if _major(version) >= 2:
            return PLUGIN
        raise Unsupported(_WHAT, f"`docker compose` is version {version}, and version 2 is needed", _INSTALL)
    version, _ = _version(["docker-compose", "version", "--short"])
    if version is not None and _major(version) >= 2:
        return ("docker-compose",)
    old = shutil.which("docker-compose")
    if old is None:
        raise Unsupported(_WHAT, f"`docker compose` is not installed ({complaint})", _INSTALL)
    why = f"only {old}, version {version or 'unknown'}, is here, and version 2 is needed"
    raise Unsupported(_WHAT, why, f"{_INSTALL}: version 1 is no longer maintained and leaves other containers behind")


def current(program: Sequence[str]) -> Sequence[str]:
    """A program that was found earlier, or the plugin by way of `docker`, where it is no longer there."""
    gone = os.path.isabs(program[0]) and not os.access(program[0], os.X_OK)
    return PLUGIN if gone else program


def config(command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """What compose makes of its files. It has secrets in it: it is neither logged nor journaled.

    Args:
        command: the program, with the options that say which files.
        env: variables to add to the environment.

    Raises:
        StepFailed: compose refuses them.
        Transient: it does not answer in time.
        Unsupported: it cannot be run.
    """
    what = "cannot read the compose files"
    try:
        asked = ask([*command, "config", "--format", "json"], env=env, timeout=60)
    except DeadlineExceeded as error:
        raise Transient(what, error.why, "the next attempt may succeed") from error
    except CommandFailed as error:
        raise Unsupported(what, error.cause, _INSTALL) from error
    if asked.code != 0:
        raise StepFailed(what, asked.complaint, "fix the cause, then try again")
    try:
        found: dict[str, Any] = json.loads(asked.out)
    except ValueError as error:
        raise StepFailed(what, f"compose's answer is not valid JSON: {error}", "see `docker compose config`") from error
    return found


def _plugins() -> Iterator[Path]:
    extra = configured(os.environ).get("cliPluginsExtraDirs") or ()
    for folder in (*map(Path, extra), settings(os.environ) / "cli-plugins", *PLACES):
        if os.access(folder / "docker-compose", os.X_OK):
            yield folder / "docker-compose"


def _version(argv: Sequence[str]) -> tuple[str | None, str]:
    """The version that a program tells, None if it tells none; and why not."""
    try:
        asked = ask(argv, timeout=20)
    except (CommandFailed, DeadlineExceeded) as error:
        return None, error.why
    return (asked.out.decode(errors="replace").strip(), "") if asked.code == 0 else (None, asked.complaint)


def _major(version: str) -> int:
    head = version.strip().removeprefix("v").partition(".")[0]
    return int(head) if head.isdigit() else 0
