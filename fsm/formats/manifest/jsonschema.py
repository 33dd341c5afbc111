"""The JSON Schema of a manifest, for editors and for other programs; made of the models, published in `docs/`."""

from __future__ import annotations

import json
from typing import Any

from fsm.formats.manifest.schema import Manifest


def json_schema() -> str:
    """The schema (https://json-schema.org/draft/2020-12) as JSON text, the same for the same models."""
    made = _plain(Manifest.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "update-manifest.yaml"}
    return json.dumps({**head, **made}, indent=2, ensure_ascii=True) + "\n"


def _plain(schema: Any) -> Any:
    """Without generated titles and OpenAPI's `discriminator`; of a description, the first paragraph."""
    if isinstance(schema, list):
        return [_plain(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if key not in ("title", "discriminator")}
    if isinstance(kept.get("description"), str):
        kept["description"] = " ".join(kept["description"].split("\n\n")[0].split())
    return kept
