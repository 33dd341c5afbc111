"""What a manifest may not widen: it may name what the configuration names, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fsm.adapter import Target
from fsm.errors import ManifestError, PlanError
from fsm.formats.artifacts import Artifact
from fsm.formats.picking import pick_artifact
from fsm.formats.platforms import current_platform
from fsm.kit import Claim, check_hosts, declared, refuse_claims
from fsm_python_app.spec import PythonAppSpec

if TYPE_CHECKING:
    from fsm.formats.manifest import Manifest
    from fsm.formats.releases import Release

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
    manifest = release.manifest
    if manifest is None:
        return
    refuse_claims(target, release, _too_much(target, spec, manifest))
    _migrations(target, spec, release, manifest)


def _too_much(target: Target, spec: PythonAppSpec, manifest: Manifest) -> Iterator[Claim]:
    yield from declared(manifest, "python_app")
    for claim in manifest.services():
        if claim.value not in (target.name, spec.service_name):
            yield Claim(claim.path, claim.value, "service_name")
    for claim in manifest.paths():
        if not _is_below(claim.value, spec):
            yield Claim(claim.path, claim.value, "install_path or backup_dir")
    for claim in manifest.images():
        yield Claim(claim.path, claim.value, "no key: a Python app has no images")
    yield from check_hosts(manifest, spec.allowed_hosts)


def _is_below(path: str, spec: PythonAppSpec) -> bool:
    if ".." in PurePosixPath(path).parts:
        return False
    if not path.startswith("/"):
        return True
    return any(
        PurePosixPath(path).is_relative_to(root.as_posix()) for root in (spec.install_path, spec.backup_dir) if root
    )


def _migrations(target: Target, spec: PythonAppSpec, release: Release, manifest: Manifest) -> None:
    """A release may ask for the migration that the host knows, not bring one of its own."""
    for index, step in enumerate(manifest.update_steps):
        if step.action == "run_migrations" and spec.migration is None and not step.optional:
            raise ManifestError(
                f"cannot update {target.name} to {release.version}",
                f"update_steps[{index}] needs the migration {step.script}, and the configuration names none",
                f'set migration = {{ command = ["{step.script}"] }} for {target.name}',
            )
