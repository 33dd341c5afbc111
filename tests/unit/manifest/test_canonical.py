"""The canonical form: one way to write a manifest, and nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given

from fsm.formats.manifest import Manifest, canonical, parse
from tests.strategies_manifest import manifests


@given(manifests())
def test_round_trip(manifest):
    """Reading the canonical bytes gives the same manifest, and writing that gives the same bytes."""
    data = canonical(manifest)
    again = parse(data, "m.yaml")
    assert again == manifest
    assert canonical(again) == data


@given(manifests())
def test_json_round_trip(manifest):
    """A manifest survives JSON, as frozen plans need it."""
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_form():
    """Keys stand in the schema's order, tags first, descriptions last; texts are quoted and defaults left out."""
    text = """
        notes: "a\\n\\"b\\" \\x07 é \\u2028 \\U0001F600 \\U000E0001 c:\\\\d"
        version: v1.0
        update_steps:
        - {description: go, action: stop_service, timeout_seconds: 2.5, service_name: web}
        - {optional: false, action: run_migrations}
        pre_update_checks: [{minimum_mb: 5, type: disk_space}, {type: backup_exists, max_age_hours: 24.0}]
        rollback_steps: []
        platform:
    """
    assert canonical(parse(text.encode(), "m.yaml")).decode() == (
        'version: "v1.0"\n'
        'notes: "a\\n\\"b\\" \\x07 é \\u2028 \U0001f600 \\U000E0001 c:\\\\d"\n'
        "pre_update_checks:\n"
        '  - type: "disk_space"\n'
        "    minimum_mb: 5\n"
        '  - type: "backup_exists"\n'
        "    max_age_hours: 24\n"
        "update_steps:\n"
        '  - action: "stop_service"\n'
        '    service_name: "web"\n'
        "    timeout_seconds: 2.5\n"
        '    description: "go"\n'
        '  - action: "run_migrations"\n'
    )


@pytest.mark.parametrize("given_key", ["min_remote_version", "min_updater_version"])
def test_minimum_stays_where_it_was(given_key):
    """The minimum is written under the key that it was given under, once."""
    manifest = parse(f'version: "1.0"\n{given_key}: "2.0"\n'.encode(), "m.yaml")
    assert canonical(manifest).decode() == f'version: "1.0"\n{given_key}: "2.0"\n'


def test_no_artifacts_on_purpose():
    """An empty list of artifacts is kept where leaving it out would mean another thing."""
    text = (
        'version: "1.0"\nupdate_steps:\n  - action: "download_artifact"\n    url: "https://x/a"\n'
        f'    checksum: "sha256:{"a" * 64}"\nartifacts: []\n'
    )
    assert canonical(parse(text.encode(), "m.yaml")).decode() == text


def test_optional_true_and_floats():
    """True, an odd float and a large one are written so that they are read back."""
    text = 'version: "1.0"\nupdate_steps:\n  - action: "run_migrations"\n    optional: true\n'
    assert canonical(parse(text.encode(), "m.yaml")).decode() == text
