"""One module for each format: `run` gives an input to the product's reader, exactly as the product does.

Each has also `seeds`, valid documents to begin with, and `WORDS`, what is worth trying in between. What `run` raises is
a finding, unless it is one of `fsm.errors`; an `AssertionError` says which promise of the reader did not hold.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

_YAML: Final = ("fsm.formats.yamldoc", "ruamel.yaml.scanner", "ruamel.yaml.parser", "ruamel.yaml.reader")

_COMPOSE: Final = ("image_edit", "composefile", "splice", "project", "dotenv", "interpolation")

READERS: Final = {
    "manifest": ("fsm.formats.manifest", "fsm.formats.explain", *_YAML),
    "config": ("fsm.host.config", "fsm.host.tables", "fsm.formats", "fsm.model", "fsm.sources.specs", "tomllib"),
    "keyring": ("fsm.formats.trust", "fsm.formats.manifest.canonical", "fsm.formats.explain", *_YAML),
    "signature": ("fsm.formats.trust",),
    "archive": ("fsm.system.archive", "zipfile"),
    "compose": (*(f"fsm_container.{name}" for name in _COMPOSE), *_YAML),
    "dotenv": ("fsm_container.dotenv",),
    "version": ("fsm.versions", "fsm.formats.version_file", "packaging.version"),
    "journal": ("fsm.engine.journal", "fsm.engine.run_facts", "fsm.engine.plan", "fsm.host.quick_status"),
    "checksums": ("fsm.formats.sums",),
    "listing": ("fsm.sources.htmlindex", "fsm.sources.urls", "html", "_markupbase"),
    "planted": ("tests.fuzz.targets.planted",),
}
"""The targets, and for each the packages that read its format: what is instrumented, as all would make it slow."""

NAMES: Final = tuple(name for name in READERS if name != "planted")
"""Those that read something of the product's."""


class Target(Protocol):
    """What such a module has."""

    run: Callable[[bytes], None]
    """Reads an input; the working directory is empty and its own."""
    seeds: Callable[[], Iterable[bytes]]
    """Inputs to begin with."""
    WORDS: tuple[bytes, ...]
    """Words of the format."""
    LONGEST: int
    """Bytes that an input has at most."""


def target(name: str) -> Target:
    """The target of that name, imported when it is asked for: the fuzzer instruments what is imported by it."""
    return cast(Target, importlib.import_module(f"{__name__}.{name}"))
