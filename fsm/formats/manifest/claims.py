"""What a manifest names on the host, so that an adapter can refuse what the configuration does not name.

A manifest narrows, never widens: a path, a service, an image repository or a URL's host in it is only ever compared
with the host's configuration. This module finds them all; which kind a key is of stands in one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from fsm.formats.manifest.steps import LATEST_BACKUP
from fsm.model import Model

Kind = Literal["service", "path", "image", "host"]

KINDS: Final[dict[str, Kind]] = {
    "service": "service",
    "service_name": "service",
    "container_name": "service",
    "source": "path",
    "destination": "path",
    "requirements_file": "path",
    "script": "path",
    "image": "image",
    "url": "host",
}
"""Keys of steps, checks and artifacts that name something, by what they name."""

HARMLESS: Final = frozenset(
    {"action", "type", "description", "name", "platform", "sha256", "checksum", "archive", "image_tag"}
    | {"expected_body", "expected_version"}
)
"""Keys with a text that names nothing on the host; a test proves that every key stands here or in `KINDS`."""


class Claim(NamedTuple):
    """Something that a manifest names.

    Attributes:
        path: where in the document, e.g. ``update_steps[1].service``.
        value: the service, the path, the image's repository (no tag, no digest), or the URL's host in lower case.
    """

    path: str
    value: str


def claims(manifest: Model, kind: Kind) -> tuple[Claim, ...]:
    """Everything of one kind that a manifest names, in the document's order."""
    return tuple(_claims(manifest, kind))


def _claims(manifest: Model, kind: Kind) -> Iterator[Claim]:
    for name in type(manifest).model_fields:
        entries = getattr(manifest, name)
        if not isinstance(entries, tuple) or name not in manifest.model_fields_set:
            continue
        for index, entry in enumerate(entries):
            for key in type(entry).model_fields:
                value = named(key, getattr(entry, key)) if KINDS.get(key) == kind else None
                if value is not None:
                    yield Claim(f"{name}[{index}].{key}", value)


def named(key: str, value: Any) -> str | None:
    """What the value of a key names; None if it names nothing: left out, relative to the release, a known word."""
    if not value or (key == "source" and value == LATEST_BACKUP):
        return None
    match KINDS.get(key):
        case "image":
            return _repository(value)
        case "host":
            return urlsplit(str(value)).hostname
        case _:
            return str(value)


def _repository(image: str) -> str:
    """``registry:5000/team/app`` of ``registry:5000/team/app:1.2@sha256:...``."""
    head, slash, last = image.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
