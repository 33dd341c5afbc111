"""Where a compose file says which image a service has.

Several files are merged by compose, the last one that says something wins; a service may take its image through an
alias, a merge key or ``extends``. This module finds the one scalar that decides, or says why there is none that could
be changed. It never guesses: `docker compose config` is asked afterwards whether the change did what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fsm.formats.yamldoc import Node, Tree, lookup, pairs_of, read_tree

LEVELS: Final = 16
"""How many services may extend one another."""


@dataclass(frozen=True, eq=False)
class ComposeFile:
    """One compose file.

    Attributes:
        path: its real path: what a link leads to is what is changed.
        data: its bytes.
        tree: what they say.
    """

    path: Path
    data: bytes
    tree: Tree

    @classmethod
    def of(cls, path: Path, data: bytes) -> ComposeFile:
        """Read the bytes of a file.

        Raises:
            ManifestError: they are no YAML.
        """
        return cls(path, data, read_tree(data, where=str(path)))

    def service(self, name: str) -> Node | None:
        """The mapping of a service, where this file has one."""
        services = lookup(self.tree.root, "services")
        return lookup(services, name)

    def services(self) -> tuple[str, ...]:
        """The names of all services in this file."""
        services = lookup(self.tree.root, "services")
        return tuple(key.real.value for key, _ in pairs_of(services))


@dataclass(frozen=True, eq=False)
class Origin:
    """The scalar that says which image a service has.

    Attributes:
        file: where it stands.
        node: the scalar.
        via: how the service comes to it, for messages; empty if it is its own.
    """

    file: ComposeFile
    node: Node
    via: str = ""


@dataclass(frozen=True)
class Nowhere:
    """There is no scalar that could be changed."""

    why: str


def names(files: Sequence[ComposeFile]) -> tuple[str, ...]:
    """Every service of the files."""
    return tuple(dict.fromkeys(name for file in files for name in file.services()))


def origin(files: Sequence[ComposeFile], service: str, *, level: int = 0) -> Origin | Nowhere:
    """The scalar that decides on the image of a service: the last file that says something counts."""
    found: Node | None = None
    for file in reversed(files):
        here = file.service(service)
        if here is None:
            continue
        found = here
        image = lookup(here, "image")
        if image is not None:
            return _usable(file, image, service, here)
        base = lookup(here, "extends")
        if base is not None:
            return _extended(file, base, service, level)
    if found is None:
        return Nowhere(f"there is no service {service}{_included(files)}")
    if any(lookup(file.service(service), "build") is not None for file in files):
        return Nowhere(f"the service {service} is built here and has no `image`")
    return Nowhere(f"the service {service} has no `image`")


def _usable(file: ComposeFile, image: Node, service: str, here: Node) -> Origin | Nowhere:
    place = f"{file.path}:{image.place[0]}"
    if image.kind != "scalar" or image.tag in ("!reset", "!override") or not image.value:
        return Nowhere(f"the `image` of service {service} at {place} is not a text")
    own = any(value is image for key, value in pairs_of(here) if key.value == "image")
    via = "" if own and here.anchor is None else f"an anchor or a merge key at line {image.place[0]}"
    return Origin(file, image, via)


def _extended(file: ComposeFile, base: Node, service: str, level: int) -> Origin | Nowhere:
    name = base if base.kind == "scalar" else lookup(base, "service")
    other = lookup(base, "file") if base.kind == "mapping" else None
    if name is None or level >= LEVELS:
        return Nowhere(f"the `extends` of service {service} in {file.path} leads nowhere")
    if other is not None and (file.path.parent / other.value).resolve() != file.path:
        why = f"the service {service} takes its image from service {name.value} of {other.value}, by `extends`"
        return Nowhere(f"{why}: give {service} an `image` of its own in {file.path}")
    found = origin([file], name.value, level=level + 1)
    if isinstance(found, Nowhere):
        return Nowhere(f"{found.why} (which service {service} extends)")
    return Origin(found.file, found.node, f"`extends: {name.value}`")


def _included(files: Sequence[ComposeFile]) -> str:
    including = [str(file.path) for file in files if lookup(file.tree.root, "include") is not None]
    known = ", ".join(names(files)) or "none"
    if including:
        return (
            f" in the compose files; {', '.join(including)} has an `include`, and a service that it brings cannot be"
            " changed here: make the included file a component's compose file of its own"
        )
    return f" in the compose files; they have {known}"


def aliases_of(file: ComposeFile, node: Node) -> Iterator[Node]:
    """The aliases in a file that lead to a scalar."""
    return (each for each in file.tree.nodes() if each.kind == "alias" and each.target is node)
