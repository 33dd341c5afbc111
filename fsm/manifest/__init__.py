"""`update-manifest.yaml`: what a release declares about itself. No IO here: bytes in, bytes out.

data = path.read_bytes()
manifest = parse(data, where=str(path))
check_updater_version(manifest, current)
artifact = pick_artifact(manifest, current_platform())
"""

from __future__ import annotations

from fsm.manifest.canonical import canonical
from fsm.manifest.claims import Claim
from fsm.manifest.jsonschema import json_schema
from fsm.manifest.picking import pick_artifact, pick_artifacts
from fsm.manifest.platforms import current_platform, matches_platform
from fsm.manifest.reading import check_updater_version, parse
from fsm.manifest.schema import Artifact, Manifest
from fsm.manifest.steps import ARTIFACT_NAME, ManifestStep

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
