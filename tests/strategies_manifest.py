"""Hypothesis strategies for valid manifests and their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError

from fsm.formats.artifacts import ARTIFACT_NAME, Artifact
from fsm.formats.manifest import Manifest
from fsm.formats.manifest.problems import ACTIONS, CHECKS
from fsm.formats.manifest.schema import TYPE_NAME
from fsm.formats.manifest.steps import HOST_PATH, IMAGE_TAG, SERVICE
from fsm.formats.platforms import PLATFORM
from fsm.model import COMPONENT_NAME, Model, Version

PRINTABLE: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text that can be written as UTF-8, control characters and all."""

TIMEOUTS: Final = st.floats(min_value=0, max_value=3600, exclude_min=True)
DIGESTS: Final = st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:{}".format)
PLATFORMS: Final = st.sampled_from(["linux", "linux-x86_64", "linux/arm64", "macos", "any"]) | st.from_regex(
    PLATFORM, fullmatch=True
).filter(lambda text: len(text) <= 64)
COMPONENT_NAMES: Final = st.from_regex(COMPONENT_NAME, fullmatch=True)
ARTIFACT_NAMES: Final = st.sampled_from(["app-1.2.0.tar.gz", "app.whl"]) | st.from_regex(ARTIFACT_NAME, fullmatch=True)
SERVICES: Final = st.from_regex(SERVICE, fullmatch=True)
PATHS: Final = st.from_regex(HOST_PATH, fullmatch=True).filter(lambda path: ".." not in path)
URLS: Final = st.sampled_from(
    [
        "https://example.org/releases/app-1.2.0.tar.gz",
        "http://127.0.0.1:8080/app.whl?token=a%20b",
        "https://[::1]:8443/a/b.tar.zst",
        "app.tar.gz",
        "files/app.tar.gz",
    ]
)
IMAGES: Final = st.sampled_from(["nginx", "ghcr.io/team/app:1.2.0", "localhost:5000/app@sha256:" + "0" * 64])
IMAGE_TAGS: Final = st.from_regex(IMAGE_TAG, fullmatch=True)


@st.composite
def versions(draw: st.DrawFn) -> Version:
    """Versions as people write them."""
    numbers = draw(st.lists(st.integers(0, 999), min_size=1, max_size=4))
    suffix = draw(st.sampled_from(["", "rc1", "a2", ".dev3", ".post4", "-poc", "-beta.2", "+build.5"]))
    return Version(draw(st.sampled_from(["", "v"])) + ".".join(map(str, numbers)) + suffix)


def artifacts() -> SearchStrategy[Artifact]:
    """Artifacts as a manifest may declare them."""
    return st.builds(
        Artifact,
        name=ARTIFACT_NAMES,
        url=st.just("") | URLS,
        size=st.none() | st.integers(1, 2**60),
        sha256=DIGESTS,
        platform=st.none() | PLATFORMS,
    )


def _maybe(strategy: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | strategy


_FIELDS: Final[Mapping[str, SearchStrategy[Any]]] = {
    "description": PRINTABLE,
    "service": _maybe(SERVICES),
    "service_name": _maybe(SERVICES),
    "container_name": SERVICES,
    "timeout_seconds": TIMEOUTS,
    "image": IMAGES,
    "image_tag": IMAGE_TAGS,
    "checksum": st.just("sha256:abc123...") | DIGESTS | PRINTABLE,
    "archive": _maybe(ARTIFACT_NAMES),
    "source": _maybe(st.just("latest_backup") | PATHS),
    "destination": _maybe(PATHS),
    "requirements_file": _maybe(PATHS),
    "script": _maybe(PATHS),
    "optional": st.booleans(),
    "minimum_mb": st.integers(1, 10**9),
    "max_age_hours": _maybe(st.floats(min_value=0, max_value=1e6, exclude_min=True)),
    "expected_status": st.integers(100, 599),
    "expected_body": _maybe(PRINTABLE),
    "expected_version": _maybe(versions()),
}


def _entries(tag: str, value: str, model: type[Model]) -> SearchStrategy[Any]:
    url = URLS if tag == "action" else URLS.filter(lambda text: "//" in text)
    fields = {key: url if key == "url" else _FIELDS[key] for key in model.model_fields if key != tag}
    return st.builds(model, **{tag: st.just(value)}, **fields)


def steps() -> SearchStrategy[Any]:
    """Every action that a manifest may list."""
    return st.one_of([_entries("action", value, model) for value, model in ACTIONS.items()])


def checks() -> SearchStrategy[Any]:
    """Every check that a manifest may ask for."""
    return st.one_of([_entries("type", value, model) for value, model in CHECKS.items()])


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Valid manifests: every key given or left out."""
    optional = {
        "component": _maybe(COMPONENT_NAMES),
        "component_type": _maybe(st.from_regex(TYPE_NAME, fullmatch=True)),
        "platform": _maybe(PLATFORMS),
        "notes": PRINTABLE,
        "pre_update_checks": st.lists(checks(), max_size=3).map(tuple),
        "update_steps": st.lists(steps(), max_size=4).map(tuple),
        "post_update_checks": st.lists(checks(), max_size=3).map(tuple),
        "rollback_steps": st.lists(steps(), max_size=3).map(tuple),
        "artifacts": st.lists(artifacts(), max_size=3, unique_by=lambda artifact: artifact.name).map(tuple),
    }
    minimum: dict[str, Any] = dict.fromkeys(
        draw(st.sampled_from([(), ("min_remote_version",), ("min_updater_version",)])), draw(versions())
    )
    given = draw(st.fixed_dictionaries({}, optional=optional))
    try:
        return Manifest(version=draw(versions()), **minimum, **given)
    except ValidationError:  # two artifacts of one name or with two digests, by chance
        reject()
