"""The published JSON Schema and the page about the manifest: both follow the models."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

import fsm.model
from fsm.formats.artifacts import Artifact
from fsm.formats.manifest import Manifest, canonical, json_schema
from fsm.formats.manifest.problems import ACTIONS, CHECKS
from fsm.formats.yamldoc import load
from fsm.model import MEANINGS
from tests.strategies_manifest import manifests

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
SCHEMA: dict[str, Any] = json.loads(json_schema())
TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}


def test_published():
    """The schema in `docs/` is the one that the models give."""
    published = (REFERENCE / "update-manifest.schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), (
        "write it anew: python -c 'from fsm.formats.manifest import json_schema; print(json_schema(), end=\"\")' "
        "> docs/reference/update-manifest.schema.json"
    )


def section(title: str) -> str:
    """The part of the page under a heading."""
    page = (REFERENCE / "manifest.md").read_text(encoding="utf-8")
    return re.split(r"\n##+ ", page.split(f"# {title}\n", 1)[1])[0]


@pytest.mark.parametrize("key", Manifest.model_fields)
def test_page_has_every_key(key):
    """Each key of a manifest has a row in the page's table."""
    assert f"| `{key}` |" in section("The keys")


@pytest.mark.parametrize("key", Artifact.model_fields)
def test_page_has_every_key_of_an_artifact(key):
    """Each key of an artifact has a row in the page's table."""
    assert f"| `{key}` |" in section("Artifacts")


def rows(text: str) -> dict[str, str]:
    """The rows of a table whose first column is a word in code, by that word."""
    return dict(re.findall(r"^\| `(\w+)` \|(.*)$", text, re.MULTILINE))


def test_page_has_every_step():
    """Each step has a row with all of its keys, and no other row stands there."""
    told = rows(section("Steps"))
    told.pop("action")
    assert set(told) == set(ACTIONS)
    for name, model in ACTIONS.items():
        assert [
            key for key in set(model.model_fields) - {"action", "description"} if f"`{key}`" not in told[name]
        ] == []


def test_checks_are_those_of_the_configuration():
    """The page leads to their table, which has each check of a manifest, and says what a manifest may not ask for."""
    configuration = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    table = configuration.partition("<!-- generated: config-checks -->")[2].partition("<!-- end -->")[0]
    assert "configuration.md#components-name-pre-checks" in section("Checks")
    assert set(rows(table)) - set(CHECKS) == {"command"}
    assert set(CHECKS) <= set(rows(table))
    assert "`command`" in section("Checks")


def patterns(schema: Any) -> set[str]:
    """Every pattern in a schema."""
    if isinstance(schema, list):
        return set().union(*map(patterns, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
    return own.union(*map(patterns, schema.values()))


def test_every_pattern_has_words():
    """A message never shows a regular expression: each one of the schema has plain words."""
    assert patterns(SCHEMA) <= set(MEANINGS)


def test_every_key_is_explained():
    """Each key of the manifest itself has a description in the schema."""
    assert all(entry.get("description") for entry in SCHEMA["properties"].values())
    assert "discriminator" not in json_schema()


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value fits the part of JSON Schema that ours uses; another keyword fails the test."""
    if "$ref" in schema:
        return fits(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], value)
    rules = {
        "type": lambda rule: isinstance(value, TYPES[rule]) if rule in TYPES else is_number(value, rule),
        "const": lambda rule: value == rule,
        "pattern": lambda rule: not isinstance(value, str) or re.search(rule, value),
        "minLength": lambda rule: not isinstance(value, str) or len(value) >= rule,
        "maxLength": lambda rule: not isinstance(value, str) or len(value) <= rule,
        "minimum": lambda rule: not isinstance(value, int | float) or value >= rule,
        "maximum": lambda rule: not isinstance(value, int | float) or value <= rule,
        "exclusiveMinimum": lambda rule: not isinstance(value, int | float) or value > rule,
        "maxItems": lambda rule: len(value) <= rule,
        "items": lambda rule: all(fits(rule, entry) for entry in value),
        "anyOf": lambda rule: any(fits(option, value) for option in rule),
        "oneOf": lambda rule: sum(fits(option, value) for option in rule) == 1,
        "required": lambda rule: isinstance(value, dict) and set(rule) <= set(value),
        "additionalProperties": lambda rule: rule or set(value) <= set(schema["properties"]),
        "properties": lambda rule: all(fits(rule[key], value[key]) for key in set(rule) & set(value)),
        **dict.fromkeys(("description", "default", "title", "$schema", "$defs"), lambda _rule: True),
    }
    return all(rules[keyword](rule) for keyword, rule in schema.items())


def is_number(value: Any, rule: str) -> bool:
    """Whether a value is an integer or a number."""
    return isinstance(value, int if rule == "integer" else int | float) and not isinstance(value, bool)


@given(manifests())
def test_schema_accepts_manifests(manifest):
    """Whatever the models write, the published schema accepts."""
    assert fits(SCHEMA, load(canonical(manifest), where="m.yaml").data)


@pytest.mark.parametrize(
    "text",
    [
        "component: core",
        "version: 1.10",
        'version: "1.0"\nother: 1',
        'version: "1.0"\npost_update_checks: [{type: command, argv: [a]}]',
        'version: "1.0"\nartifacts: [{name: a}]',
        f'version: "1.0"\nartifacts: [{{name: a, size: 0, sha256: "sha256:{"a" * 64}"}}]',
        f'version: "1.0"\nartifacts: [{{name: a, url: "file:///etc/passwd", sha256: "sha256:{"a" * 64}"}}]',
        'version: "1.0"\nupdate_steps: [{action: update_compose}]',
    ],
)
def test_schema_refuses(text):
    """What the reader refuses for its shape, the schema refuses, too."""
    assert not fits(SCHEMA, load(text.encode(), where="m.yaml").data)


def test_every_pattern_of_a_model_is_defined_with_its_words():
    """`fsm.model.spelled` is the only way to one."""
    root = Path(fsm.model.__file__).parent.parent
    files = [*(root / "fsm").rglob("*.py"), *(root / "components").rglob("*.py")]
    with_one = {path for path in files if "StringConstraints(pattern" in path.read_text(encoding="utf-8")}
    assert with_one == {Path(fsm.model.__file__)}


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u061c", "\u200e", "\u2028", "\x9b"])
def test_names_show_what_they_are(character: str):
    """Nothing that turns the direction of text: `exe.txt` would be shown where `txt.exe` is meant."""
    with pytest.raises(ValidationError):
        Artifact(name=f"web{character}txt.gz")
    with pytest.raises(ValidationError):
        Artifact(name="web", url=f"we{character}b")
    assert Artifact(name="gr\u00fc\u00dfe \u05e9\u05dc\u05d5\u05dd.tar.gz").name
