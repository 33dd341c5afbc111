"""A compose project as bytes: its files, the variables, and the image that each service has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fsm_container import composefile, dotenv
from fsm_container.composefile import ComposeFile, Nowhere
from fsm_container.interpolation import Malformed, resolve
from fsm_container.splice import FileEdit


@dataclass
class Project:
    """The files of a compose project, as bytes.

    Args:
        files: compose files, in the order of ``-f``.
        env_files: where variables come from, in the order of ``--env-file``; those that are not there are empty.
        environ: variables of the caller; they win over the files.
    """

    files: list[ComposeFile]
    env_files: dict[Path, bytes | None] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The variables, as far as their values are plain."""
        return {key: value for key, value in self._assigned().items() if value is not None} | dict(self.environ)

    @property
    def made(self) -> set[str]:
        """The variables whose values are made of other things, so that they cannot be told, or changed."""
        return {key for key, value in self._assigned().items() if value is None} - set(self.environ)

    def _assigned(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for data in self.env_files.values():
            found |= dotenv.values(data or b"")
        return found

    def image(self, service: str) -> str | Nowhere:
        """The image that a service has."""
        found = composefile.origin(self.files, service)
        if isinstance(found, Nowhere):
            return found
        try:
            return resolve(found.node.value, self.values)
        except Malformed as error:
            return Nowhere(f"the image of service {service} cannot be told: {error}")

    def images(self) -> dict[str, str]:
        """The images of all services that have one that can be told."""
        found = {name: self.image(name) for name in composefile.names(self.files)}
        return {name: image for name, image in found.items() if isinstance(image, str)}


def applied(project: Project, edits: Sequence[FileEdit]) -> Project:
    """The project after the changes."""
    by_path = {edit.path: edit for edit in edits}
    files = [
        ComposeFile.of(file.path, by_path[file.path].apply(file.data)) if file.path in by_path else file
        for file in project.files
    ]
    env_files = {
        path: by_path[path].apply(data or b"") if path in by_path else data for path, data in project.env_files.items()
    }
    return Project(files, env_files, project.environ)
