"""A manifest narrows, never widens: it may name what the configuration names. And what `fsm doctor` looks at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from fsm.adapter import Finding, Target
from fsm.errors import FsmError, ManifestError, PlanError
from fsm.formats.manifest import Artifact, Claim, Manifest, current_platform, matches_platform, pick_artifact
from fsm.formats.manifest.steps import RunMigrations
from fsm.formats.releases import Release
from fsm.system import files
from fsm_python_app import inspect, plan
from fsm_python_app.environment import uv_program
from fsm_python_app.layout import Layout, patterns
from fsm_python_app.spec import PythonAppSpec

Level = Literal["ok", "warning", "error"]

ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tar.zst", ".tzst", ".tar", ".zip", ".whl")
"""Names that can be unpacked; other files of a release are not for this host."""


def pick(target: Target, spec: PythonAppSpec, release: Release) -> Artifact:
    """The artifact that this host installs.

    Raises:
        PlanError, ManifestError: none fits, or several do.
    """
    archives = tuple(artifact for artifact in release.artifacts if artifact.name.lower().endswith(ARCHIVES))
    if not archives:
        names = ", ".join(artifact.name for artifact in release.artifacts) or "none"
        raise PlanError(
            f"cannot update {target.name} to {release.version}",
            f"the release has no archive (its artifacts: {names})",
            "publish a .tar.gz, .tar.xz, .tar.zst, .zip or .whl",
        )
    return pick_artifact(archives, current_platform())


def check(target: Target, spec: PythonAppSpec, release: Release) -> None:
    """Refuse a release that asks for more than the configuration names.

    Raises:
        ManifestError: with the place in the manifest and the key that would allow it.
    """
    named_hosts = {host.lower() for host in spec.allowed_hosts}
    manifest = release.manifest
    if manifest is None:
        return
    for claim, value, key in _too_much(target, spec, manifest, named_hosts):
        _refuse(target, release, claim, value, key)
    _migrations(target, spec, release, manifest)


def _too_much(
    target: Target, spec: PythonAppSpec, manifest: Manifest, named_hosts: set[str]
) -> Iterator[tuple[str, str, str]]:
    if manifest.component_type not in (None, "python_app"):
        yield "component_type", manifest.component_type, "type"
    if not matches_platform(manifest.platform, current_platform()):
        yield "platform", f"{manifest.platform} (this host is {current_platform()})", "install_path on another host"
    for claim in manifest.services():
        if claim.value not in (target.name, spec.service_name):
            yield claim.path, claim.value, "service_name"
    for claim in manifest.paths():
        if not _inside(claim.value, spec):
            yield claim.path, claim.value, "install_path or backup_dir"
    for claim in manifest.images():
        yield claim.path, claim.value, "no key: a Python app has no images"
    for claim in _asked_hosts(manifest):
        if claim.value not in named_hosts:
            yield claim.path, claim.value, "allowed_hosts"


def _asked_hosts(manifest: Manifest) -> list[Claim]:
    """Hosts of health checks. Those of artifacts are the source's business, and steps are for people only."""
    return [claim for claim in manifest.hosts() if "_checks[" in claim.path]


def _inside(path: str, spec: PythonAppSpec) -> bool:
    if ".." in PurePosixPath(path).parts:
        return False
    if not path.startswith("/"):
        return True
    return any(
        PurePosixPath(path).is_relative_to(root.as_posix()) for root in (spec.install_path, spec.backup_dir) if root
    )


def _refuse(target: Target, release: Release, where: str, value: str, key: str) -> None:
    raise ManifestError(
        f"cannot update {target.name} to {release.version}",
        f"{where} of its manifest names {value}, which the configuration does not",
        f"if that is right, name it in the configuration of {target.name} ({key})",
    )


def _migrations(target: Target, spec: PythonAppSpec, release: Release, manifest: Manifest) -> None:
    """A release may ask for the migration that the host knows, not bring one of its own."""
    for index, step in enumerate(manifest.update_steps):
        if isinstance(step, RunMigrations) and spec.migration is None and not step.optional:
            raise ManifestError(
                f"cannot update {target.name} to {release.version}",
                f"update_steps[{index}] needs the migration {step.script}, and the configuration names none",
                f'set migration = {{ command = ["{step.script}"] }} for {target.name}',
            )


def doctor(target: Target, spec: PythonAppSpec) -> Sequence[Finding]:
    """What would make an update of this app fail, or surprise."""
    return [*_place(target, spec), *_version(target, spec), *_patterns(target, spec), *_tools(target, spec)]


def _place(target: Target, spec: PythonAppSpec) -> Iterator[Finding]:
    live = spec.install_path
    try:
        facts = plan.look(target, spec)
    except FsmError as error:
        yield Finding(level="error", subject=target.name, message=error.cause, todo=error.todo)
        return
    except OSError as error:
        yield Finding(level="error", subject=target.name, message=f"cannot look at {live}: {error}")
        return
    if facts.note:
        yield Finding(level="warning", subject=target.name, message=facts.note)
    else:
        yield Finding(level="ok", subject=target.name, message=f"{live} can be swapped by one rename")
    free = files.disk_free(live) >> 20
    level: Level = "ok" if free > spec.reserve_mb else "error"
    yield Finding(level=level, subject=target.name, message=f"{free} MiB free at {live}", todo="free some disk space")
    aside = Layout(live=live).work / "aside"
    if aside.is_dir() and any(aside.iterdir()):
        yield Finding(
            level="warning",
            subject=target.name,
            message=f"files of rolled-back versions are kept in {aside}",
            todo="look at them, and remove them when they are of no use",
        )


def _version(target: Target, spec: PythonAppSpec) -> Iterator[Finding]:
    found = inspect.read(spec)
    if found.version is not None:
        yield Finding(level="ok", subject=target.name, message=f"version {found.version} is installed")
    else:
        level: Level = "warning" if found.present else "ok"
        yield Finding(level=level, subject=target.name, message=f"version unknown: {found.why_unknown}")


def _patterns(target: Target, spec: PythonAppSpec) -> Iterator[Finding]:
    for pattern in spec.preserve if spec.install_path.is_dir() else ():
        if next(iter(patterns((pattern,)).find(spec.install_path)), None) is None:
            yield Finding(
                level="warning",
                subject=target.name,
                message=f"preserve pattern {pattern!r} matches nothing",
                todo="correct it, unless the file comes into being later",
            )


def _tools(target: Target, spec: PythonAppSpec) -> Iterator[Finding]:
    if spec.environment.builder != "pip" and uv_program() is None:
        level: Level = "error" if spec.environment.builder == "uv" else "warning"
        yield Finding(level=level, subject=target.name, message="uv is not installed; pip builds environments slower")
    python = spec.environment.python
    if python is not None and Path(python).is_absolute() and not os.access(python, os.X_OK):
        yield Finding(level="error", subject=target.name, message=f"{python} cannot be run", todo="correct `python`")
