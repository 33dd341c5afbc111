"""The edit of one image: which bytes of which file, found by where each character of the reference comes from.

Pure: bytes in, edits out. What an edit must keep is checked here as well: every service that is not named has the
image that it had, and every byte beside the reference is what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fsm.errors import ManifestError, PlanError
from fsm.services.docker.reference import Reference, canonical, parse
from fsm_container import composefile, dotenv
from fsm_container.composefile import Nowhere, Origin, aliases_of
from fsm_container.interpolation import Piece, Segment, pieces, segments
from fsm_container.project import Project, applied
from fsm_container.splice import FileEdit, Splice


@dataclass(frozen=True)
class Wanted:
    """What is to be.

    Attributes:
        services: those that are changed.
        repository: the one that they must have, in any spelling.
        tag: the new one; empty keeps a reference by digest alone.
        digest: the new one; needed where the old reference has one.
        others: what to do about other services with an image of this repository.
    """

    services: tuple[str, ...]
    repository: str
    tag: str
    digest: str = ""
    others: Literal["refuse", "leave"] = "refuse"


Origins = dict[str, tuple[Origin, Reference]]


class _Draft:
    """Collects splices by file; two services that share a scalar want the same one."""

    def __init__(self, project: Project, what: str) -> None:
        self.what = what
        self.project = project
        self.splices: dict[Path, dict[int, Splice]] = {}
        self.variables: dict[str, str] = {}

    def refuse(self, why: str, todo: str) -> PlanError:
        """The error about a file that cannot be changed as wanted."""
        return PlanError(self.what, why, todo)

    def literal(self, origin: Origin, start: int, old: str, new: str) -> None:
        """Characters of the scalar itself become others.

        Args:
            start: the first of them, in the scalar's value.
        """
        tree = origin.file.tree
        span = tree.content(origin.node)
        place = f"{origin.file.path}:{origin.node.place[0]}"
        if span is None:
            raise self.refuse(
                f"the image at {place} spreads over lines or has escapes", "write it plainly, on one line"
            )
        offset = tree.offset(span[0] + start)
        self.splices.setdefault(origin.file.path, {})[offset] = Splice(offset=offset, old=old, new=new)

    def variable(self, name: str, value: str, place: str) -> None:
        """A variable gets another value."""
        if name in self.project.environ:
            raise self.refuse(
                f"the image at {place} comes from the variable {name}, and the updater's environment sets it",
                f"unset {name} there and set it in an env file",
            )
        if not self.project.env_files:
            raise self.refuse(f"the image at {place} comes from the variable {name}", "name an env_file that sets it")
        if self.variables.setdefault(name, value) != value:
            raise self.refuse(
                f"the variable {name} at {place} would need two values at once", "use a variable for each part"
            )


def plan_edits(project: Project, wanted: Wanted, *, what: str) -> tuple[FileEdit, ...]:
    """The edits that give the named services the wanted image, and nobody else.

    Args:
        what: what cannot be done when this raises, for the message.

    Raises:
        PlanError: with the file, the reason and the remedy. Nothing was changed: nothing is, here.
    """
    draft = _Draft(project, what)
    found = {service: _current(project, service, wanted, draft) for service in wanted.services}
    for service, (origin, reference) in found.items():
        _edit(draft, origin, reference, _target(draft, service, reference, wanted))
    _refuse_aliases(draft, found)
    edits = (*_file_edits(draft), *_env_edits(draft))
    _prove(draft, edits, found, wanted)
    return edits


def _current(project: Project, service: str, wanted: Wanted, draft: _Draft) -> tuple[Origin, Reference]:
    """Where a service's image stands, and what it is."""
    origin, image = composefile.origin(project.files, service), project.image(service)
    if isinstance(origin, Nowhere) or isinstance(image, Nowhere):
        why = origin.why if isinstance(origin, Nowhere) else image.why if isinstance(image, Nowhere) else ""
        raise draft.refuse(why, "correct the compose file, or `services` of the configuration")
    reference = parse(image)
    place = f"{origin.file.path}:{origin.node.place[0]}"
    made = [piece.variable for piece in pieces(origin.node.value) if piece.variable in project.made]
    if made:
        why = f"the image at {place} comes from {made[0]}, whose value has another variable or an escape in it"
        raise draft.refuse(why, f"write the value of {made[0]} plainly in the env file")
    if reference is None:
        raise draft.refuse(f"{image!r} at {place} is not an image", "correct it, or set its variables in an env file")
    if canonical(reference.repository) != canonical(wanted.repository):
        raise draft.refuse(
            f"the service {service} has an image of {reference.repository} ({place}), not of {wanted.repository}",
            "correct `image` of the configuration, or the compose file",
        )
    return origin, reference


def _target(draft: _Draft, service: str, old: Reference, wanted: Wanted) -> Reference:
    """The new reference, in the form that the old one has."""
    if old.digest and not wanted.digest:
        raise draft.refuse(
            f"the image of service {service} has a digest, and the new one's is not known",
            "publish the release with its digest, or remove the digest from the compose file",
        )
    tag = "" if old.digest and not old.tag else wanted.tag
    return Reference(old.repository, tag, wanted.digest if old.digest else "")


def _edit(draft: _Draft, origin: Origin, old: Reference, new: Reference) -> None:
    """Change the tag, then the digest, each where its characters come from."""
    parts = segments(origin.node.value, draft.project.values)
    repository = len(old.repository)
    if old.tag:
        start = repository + 1
        _replace(draft, origin, parts, (start, start + len(old.tag)), new.tag)
    elif new.tag:
        _replace(draft, origin, parts, (repository, repository), f":{new.tag}")
    if old.digest:
        end = len(str(old))
        _replace(draft, origin, parts, (end - len(old.digest), end), new.digest)


def _replace(draft: _Draft, origin: Origin, parts: tuple[Segment, ...], span: tuple[int, int], new: str) -> None:
    """Make other characters of a span of the resolved text; exactly one piece of the template may change."""
    place = f"{origin.file.path}:{origin.node.place[0]}"
    touched = _touched(parts, span)
    # Literal characters at the edges ("v" of "v${VERSION}") stay where the new text has them, too.
    while len(touched) > 1:
        (first, text), (last, tail) = touched[0], touched[-1]
        if first.piece.variable is None and new.startswith(text):
            touched, new = touched[1:], new[len(text) :]
        elif last.piece.variable is None and new.endswith(tail):
            touched, new = touched[:-1], new[: len(new) - len(tail)]
        else:
            sources = "".join(segment.piece.source for segment, _ in touched)
            raise draft.refuse(
                f"{sources} at {place} cannot become {new}: several parts would have to change",
                "use one variable for the whole tag",
            )
    segment, old = touched[0]
    if old == new:
        return
    begin = sum(len(each.text) for each in parts[: parts.index(segment)])
    inside = max(span[0] - begin, 0)
    if segment.piece.variable is None:
        _literal(draft, origin, segment.piece, inside, old, new)
        return
    if segment.piece.operator.endswith("+"):
        raise draft.refuse(f"{segment.piece.source} at {place} has no single value", "use a plain variable")
    text = segment.text
    draft.variable(segment.piece.variable, text[:inside] + new + text[inside + len(old) :], place)


def _literal(draft: _Draft, origin: Origin, piece: Piece, inside: int, old: str, new: str) -> None:
    assert piece.operator != "$", "no reference has a dollar in it"
    draft.literal(origin, piece.start + inside, old, new)


def _touched(parts: tuple[Segment, ...], span: tuple[int, int]) -> list[tuple[Segment, str]]:
    """The segments that a span lies in, each with its part of it; for an empty span the one that ends there."""
    found: list[tuple[Segment, str]] = []
    position = 0
    for segment in parts:
        start, end = position, position + len(segment.text)
        low, high = max(start, span[0]), min(end, span[1])
        if low < high or (span[0] == span[1] == end and start < end):
            found.append((segment, segment.text[low - start : high - start]))
        position = end
    return found


def _refuse_aliases(draft: _Draft, found: Origins) -> None:
    """An anchored image that is also used as something else than the image of a named service stays."""
    for service, (origin, _) in found.items():
        if origin.file.path not in draft.splices:
            continue
        for alias in aliases_of(origin.file, origin.node):
            if not _is_image(draft.project, alias):
                place = f"{origin.file.path}:{alias.place[0]}"
                why = f"the image of service {service} is an anchor that {place} uses for something else"
                raise draft.refuse(why, f"write the image of {service} out")


def _is_image(project: Project, alias: object) -> bool:
    """Whether an alias is the `image` of some mapping; whose services that concerns is found out by comparing them."""
    return any(
        value is alias and key.value == "image"
        for file in project.files
        for node in file.tree.nodes()
        for key, value in node.pairs
    )


def _file_edits(draft: _Draft) -> list[FileEdit]:
    data = {file.path: file.data for file in draft.project.files}
    return [FileEdit.of(path, data[path], splices.values()) for path, splices in draft.splices.items()]


def _env_edits(draft: _Draft) -> list[FileEdit]:
    """Each variable in the last file that sets it, else in the last file."""
    files = draft.project.env_files
    made: dict[Path, list[Splice]] = {}
    for name, value in draft.variables.items():
        setting = [path for path, data in files.items() if name in dotenv.values(data or b"")]
        path = setting[-1] if setting else list(files)[-1]
        offset, old, new = dotenv.assigned(files[path] or b"", name, value)
        made.setdefault(path, []).append(Splice(offset=offset, old=old.decode(), new=new.decode()))
    return [FileEdit.of(path, files[path], each) for path, each in made.items()]


def _prove(draft: _Draft, edits: Sequence[FileEdit], found: Origins, wanted: Wanted) -> None:
    """The named services have the new image, and no other service a new one."""
    before = draft.project.images()
    try:
        after = applied(draft.project, edits).images()
    except ManifestError as error:
        raise draft.refuse(f"the changed file would be broken: {error}", "write the image plainly") from error
    drawn = sorted(name for name in before if name not in found and before[name] != after.get(name))
    if drawn:
        via = next((origin.via for origin, _ in found.values() if origin.via), "a variable")
        raise draft.refuse(
            f"{', '.join(drawn)} would change as well: the image is shared, by {via}",
            f"name them all in `services` ({', '.join([*found, *drawn])}), or give each an image of its own",
        )
    for service, (_, reference) in found.items():
        expected = str(_target(draft, service, reference, wanted))
        if after.get(service) != expected:
            raise draft.refuse(
                f"the image of service {service} would become {after.get(service)!r}, not {expected}",
                "write the image plainly in the compose file",
            )
    if wanted.others == "refuse":
        _refuse_others(draft, before, found, wanted)


def _refuse_others(draft: _Draft, images: Mapping[str, str], found: Origins, wanted: Wanted) -> None:
    """Other services with an image of this repository would stay behind."""
    same = [
        name
        for name, image in images.items()
        if name not in found
        and (reference := parse(image)) is not None
        and canonical(reference.repository) == canonical(wanted.repository)
    ]
    if same:
        raise draft.refuse(
            f"{', '.join(same)} would stay on the old version of {wanted.repository}",
            f'name them in `services` ({", ".join([*found, *same])}), or set others = "leave"',
        )
