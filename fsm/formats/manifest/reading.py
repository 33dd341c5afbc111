"""From bytes to a manifest, and what a manifest asks of this updater."""

from __future__ import annotations

import json

from pydantic import ValidationError

from fsm.errors import ManifestError
from fsm.formats.manifest.schema import Manifest
from fsm.model import Version


def parse(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Args:
        data: the file's bytes, YAML 1.2 in UTF-8, at most 1 MiB.
        where: the file's name, for messages.

    Raises:
        ManifestError: one line: file, line, column, path in the document, what is wrong, what is expected.
    """
    from fsm.formats.yamldoc import load  # noqa: PLC0415 - 10 ms, only for those who read a manifest

    document = load(data, where=where)
    try:
        return Manifest.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        from fsm.formats.manifest.problems import explained  # noqa: PLC0415 - only for an error message

        raise explained(error, document) from error


def check_updater_version(manifest: Manifest, current: Version) -> None:
    """Refuse a release that this updater is too old for.

    Args:
        manifest: what the release says.
        current: the version of the running fsm-updater.

    Raises:
        ManifestError: the manifest asks for a newer one.
    """
    wanted = manifest.min_updater_version
    if wanted is not None and current < wanted:
        raise ManifestError(
            f"cannot install version {manifest.version}",
            f"it needs fsm-updater {wanted} or newer, but this is {current}",
            "update fsm-updater first",
        )
