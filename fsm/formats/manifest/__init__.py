"""`update-manifest.yaml`: what a release declares about itself. No IO here: bytes in, bytes out.

data = path.read_bytes()
manifest = parse(data, where=str(path))
check_updater_version(manifest, current)
artifact = pick_artifact(manifest, current_platform())
"""

from __future__ import annotations

from fsm.formats.manifest.canonical import canonical
from fsm.formats.manifest.claims import Claim
from fsm.formats.manifest.jsonschema import json_schema
from fsm.formats.manifest.picking import pick_artifact, pick_artifacts
from fsm.formats.manifest.platforms import current_platform, matches_platform
from fsm.formats.manifest.reading import check_updater_version, parse
from fsm.formats.manifest.schema import Artifact, Manifest
from fsm.formats.manifest.steps import ARTIFACT_NAME, ManifestStep

__all__ = [
    "ARTIFACT_NAME",
    "Artifact",
    "Claim",
    "Manifest",
    "ManifestStep",
    "canonical",
    "check_updater_version",
    "current_platform",
    "json_schema",
    "matches_platform",
    "parse",
    "pick_artifact",
    "pick_artifacts",
]
