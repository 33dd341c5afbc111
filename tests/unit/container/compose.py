"""Compose projects in memory, for tests that change an image."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fsm_container.composefile import ComposeFile
from fsm_container.image_edit import Wanted, plan_edits
from fsm_container.project import Project, applied

WHERE = Path("/srv/app/compose.yml")
ENV = Path("/srv/app/.env")
OLD = "sha256:" + "a" * 64
NEW = "sha256:" + "b" * 64


def project(*files: bytes, env: bytes | None = None, environ: dict[str, str] | None = None) -> Project:
    """A project of compose files ``compose.yml``, ``1.yml``, ``2.yml`` and an env file."""
    paths = [WHERE, *(WHERE.with_name(f"{number}.yml") for number in range(1, len(files)))]
    made = [ComposeFile.of(path, data) for path, data in zip(paths, files, strict=True)]
    return Project(made, {ENV: env}, environ or {})


def change(
    before: Project,
    *services: str,
    repository: str = "ghcr.io/acme/web",
    tag: str = "1.1.0",
    digest: str = NEW,
    others: Literal["refuse", "leave"] = "refuse",
) -> dict[str, bytes]:
    """The changed files after an update of services, by name; an unchanged file is not there."""
    wanted = Wanted(services or ("web",), repository, tag, digest, others)
    edits = plan_edits(before, wanted, what="cannot update web")
    after = applied(before, edits)
    changed = {edit.path for edit in edits}
    found = {file.path.name: file.data for file in after.files if file.path in changed}
    return found | {path.name: data or b"" for path, data in after.env_files.items() if path in changed}
