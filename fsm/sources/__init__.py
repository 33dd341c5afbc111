"""Where releases come from. `fsm.sources.base` has the contract; each kind of source has a module of its own.

A source is opened from its spec, the part of the configuration with ``type``; a new kind adds its module, its spec,
and a line to `SourceSpec` and to `open_source`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fsm.sources.base import Announced, Cached, Listing, Source, SourceOptions
from fsm.sources.specs import DirectorySpec, GitSpec, HttpSpec

__all__ = [
    "Announced",
    "Cached",
    "DirectorySpec",
    "GitSpec",
    "HttpSpec",
    "Listing",
    "Source",
    "SourceOptions",
    "SourceSpec",
    "open_source",
]

SourceSpec = Annotated[DirectorySpec | HttpSpec | GitSpec, Field(discriminator="type")]
"""The configuration of a source, of any kind."""


def open_source(spec: SourceSpec, *, component: str) -> Source:
    """The source that a configuration describes. Nothing is read or asked yet.

    Args:
        spec: the configuration.
        component: whose releases they are; a manifest of another component is refused.
    """
    if isinstance(spec, HttpSpec):
        from fsm.sources.http import HttpSource  # noqa: PLC0415 - TLS and mail headers, only for those who use it

        return HttpSource(spec, component)
    if isinstance(spec, GitSpec):
        from fsm.sources.git import GitSource  # noqa: PLC0415 - running git needs the shell

        return GitSource(spec, component)
    from fsm.sources.directory import DirectorySource  # noqa: PLC0415 - reading a configuration needs no source

    return DirectorySource(spec, component)
