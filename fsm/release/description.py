"""The component description: `update.yaml`, or `[tool.fsm]` in `pyproject.toml`; checked in and reviewed.

It says what a release consists of; `fsm release build` adds what only a build knows (version, sizes, digests).
``{version}`` in any text stands for the version of the release.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator

from fsm.errors import ManifestError
from fsm.formats import toml_places
from fsm.formats.checkspec import ManifestCheck
from fsm.formats.explain import advice, first_path, first_problem
from fsm.formats.foreign import toml_of
from fsm.formats.manifest.schema import MOST, TYPE_NAME
from fsm.formats.manifest.steps import ImageReference, ManifestStep
from fsm.formats.platforms import Platform
from fsm.model import ComponentName, Model, Version, spelled
from fsm.release.problems import ReleaseError, Spot

NAMES: Final = ("update.yaml", "pyproject.toml")
"""Where a description is looked for, in this order."""


def _inside(path: str) -> str:
    if not path or path.startswith("/") or not path.isprintable() or "\\" in path or ".." in path.split("/"):
        raise ValueError("write a relative path with forward slashes that stays below its directory")
    return path


Inside = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_inside)]
"""A relative path with forward slashes that does not lead upwards."""


class ArtifactRule(Model):
    """Which built files belong to a release.

    Attributes:
        path: a path or pattern (`*`, `?`, `[...]`, `**`) relative to the description; it must match a file.
        platform: what these files are made for; without it, every platform.
    """

    path: Inside
    platform: Platform | None = None


class ComponentRule(Model):
    """One component of the repository.

    Attributes:
        name: its name, as hosts configure it.
        type: the component type, e.g. `python_app` or `container`.
        artifacts: the built files.
        images: container images with a tag; the manifest names them with their digest as well.
        platform: what the release runs on; without it, every platform.
        min_updater_version: the oldest fsm-updater that can install it.
        expires_after_days: days after its commit from which on a release is not installed anew.
        notes: a file with what is new, in Markdown, relative to the description.
        pre_update_checks: what must hold before anything is touched.
        update_steps: what the release expects to happen, for people.
        post_update_checks: what must hold for the update to be kept.
        rollback_steps: what the release expects a rollback to do, for people.
        requirements: a requirements file in the archive; `fsm release check` resolves it.
        wheels: a directory of wheels in the archive; with it, nothing else is used to resolve `requirements`.
        migrations: files that the archive must have.
    """

    name: ComponentName
    type: Annotated[str, spelled(TYPE_NAME, "a component type like python_app")]
    artifacts: Annotated[tuple[ArtifactRule, ...], Field(max_length=MOST)] = ()
    images: Annotated[tuple[ImageReference, ...], Field(max_length=MOST)] = ()
    platform: Platform | None = None
    min_updater_version: Version | None = None
    expires_after_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    notes: Inside | None = None
    pre_update_checks: Annotated[tuple[ManifestCheck, ...], Field(max_length=MOST)] = ()
    update_steps: Annotated[tuple[ManifestStep, ...], Field(max_length=MOST)] = ()
    post_update_checks: Annotated[tuple[ManifestCheck, ...], Field(max_length=MOST)] = ()
    rollback_steps: Annotated[tuple[ManifestStep, ...], Field(max_length=MOST)] = ()
    requirements: Inside | None = None
    wheels: Inside | None = None
    migrations: tuple[Inside, ...] = ()


class Description(Model):
    """What a repository releases.

    Attributes:
        components: one or several, each with a name of its own.
    """

    components: Annotated[tuple[ComponentRule, ...], Field(min_length=1, max_length=MOST)]

    @field_validator("components")
    @classmethod
    def _each_once(cls, components: tuple[ComponentRule, ...]) -> tuple[ComponentRule, ...]:
        names = [component.name for component in components]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two components are called {twice[0]!r}")
        return components


class Source:
    """A description as it was read, before the version is known.

    Args:
        path: the file.
        data: plain data.
        locate: line and column of the value, or of the key, at a path in the data.
    """

    def __init__(self, path: Path, data: dict[str, Any], locate: Callable[..., tuple[int, int]]) -> None:
        self.path, self.data, self._locate = path, data, locate

    @property
    def root(self) -> Path:
        """The directory that paths are relative to."""
        return self.path.parent

    def names(self) -> tuple[str, ...]:
        """The components' names, as far as the data has any."""
        entries = self.data.get("components")
        found = [entry.get("name") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        return tuple(name for name in found if isinstance(name, str))

    def spot(self, *path: str | int, of_key: bool = False) -> Spot:
        """Where the value at a path stands."""
        return Spot(str(self.path), *self._locate(path, of_key=of_key))

    def describe(self, version: Version) -> Description:
        """The description for one version.

        Raises:
            ReleaseError: with file, line, key, what is wrong and the remedy.
        """
        data = _filled(self.data, str(version))
        try:
            return Description.model_validate_json(json.dumps(data, default=str))
        except ValidationError as error:
            key, why, todo = advice(error, Description, data)
            of_key = first_problem(error).kind == "extra_forbidden"
            spot = self.spot(*first_path(error, Description, data), of_key=of_key)
            raise ReleaseError(spot, f"{key} {why}", todo) from error


def read(path: Path | None = None) -> Source:
    """Read a description.

    Args:
        path: the file, or the directory that it is in; None means the working directory.

    Raises:
        ReleaseError: there is none, or it cannot be read.
    """
    path = _found(path or Path())
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReleaseError(
            Spot(str(path)), f"cannot be read: {error.strerror}", "check path and permissions"
        ) from error
    return _toml(path, data) if path.suffix == ".toml" else _yaml(path, data)


def _found(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in NAMES:
        candidate = path / name
        if candidate.is_file() and (name != NAMES[1] or b"tool.fsm" in candidate.read_bytes()):
            return candidate
    todo = "write update.yaml, or [[tool.fsm.components]] in pyproject.toml"
    raise ReleaseError(Spot(str(path)), "has no component description", todo)


def _yaml(path: Path, data: bytes) -> Source:
    from fsm.formats.yamldoc import load  # noqa: PLC0415 - only for those whose description is YAML

    try:
        document = load(data, where=str(path))
    except ManifestError as error:
        line, _, column = error.what.removeprefix(f"{path}:").partition(":")
        spot = Spot(str(path), *(int(part) for part in (line, column) if part.isdigit()))
        raise ReleaseError(spot, error.why, error.todo) from error
    return Source(path, document.data, document.position)


def _toml(path: Path, data: bytes) -> Source:
    try:
        text = data.decode("utf-8")
        table = toml_of(text).get("tool", {}).get("fsm")
    except (UnicodeDecodeError, AttributeError) as error:
        raise ReleaseError(Spot(str(path)), "is not TOML with a table [tool]", "save it as UTF-8 TOML") from error
    except ValueError as error:
        spot = Spot(str(path), *toml_places.of_error(str(error)))
        raise ReleaseError(spot, f"is not valid TOML: {error}", "correct it") from error
    if not isinstance(table, dict):
        raise ReleaseError(Spot(str(path)), "has no table [tool.fsm]", "add [[tool.fsm.components]]")
    return Source(path, table, toml_places.Places(text, ("tool", "fsm")).position)


def _filled(value: Any, version: str) -> Any:
    """The data with ``{version}`` in its texts replaced."""
    match value:
        case str():
            return value.replace("{version}", version)
        case list():
            return [_filled(entry, version) for entry in value]
        case dict():
            return {key: _filled(entry, version) for key, entry in value.items()}
        case _:
            return value
