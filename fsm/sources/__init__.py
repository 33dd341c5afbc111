"""Where releases come from. `fsm.sources.base` has the contract; each kind of source has a module of its own.

A source is opened from its spec, the part of the configuration with ``type``; a new kind adds its module, its spec,
and a line to `SourceSpec` and to `open_source`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from fsm.formats.trust.belief import Trust
from fsm.sources.base import Announced, Cached, Listing, Source, SourceOptions
from fsm.sources.specs import DirectorySpec, GitHubSpec, GitSpec, HttpSpec

__all__ = [
    "Announced",
    "Cached",
    "DirectorySpec",
    "GitHubSpec",
    "GitSpec",
    "HttpSpec",
    "Listing",
    "Source",
    "SourceOptions",
    "SourceSpec",
    "open_source",
    "sharing",
]

SourceSpec = Annotated[DirectorySpec | HttpSpec | GitSpec | GitHubSpec, Field(discriminator="type")]
"""The configuration of a source, of any kind."""


def open_source(spec: SourceSpec, *, component: str, trust: Trust | None = None) -> Source:
    """The source that a configuration describes. Nothing is read or asked yet.

    Args:
        spec: the configuration.
        component: whose releases they are; a manifest of another component is refused.
        trust: whose signatures a manifest must have; None takes what is not signed. It learns newer keyrings.
    """
    if isinstance(spec, HttpSpec):
        from fsm.sources.http import HttpSource  # noqa: PLC0415 - TLS and mail headers, only for those who use it

        return HttpSource(spec, component, trust)
    if isinstance(spec, GitSpec):
        from fsm.sources.git import GitSource  # noqa: PLC0415 - running git needs the shell

        return GitSource(spec, component)
    if isinstance(spec, GitHubSpec):
        from fsm.sources.github import GitHubSource  # noqa: PLC0415 - TLS, only for those who use it

        return GitHubSource(spec, component, trust)
    from fsm.sources.directory import DirectorySource  # noqa: PLC0415 - reading a configuration needs no source

    return DirectorySource(spec, component, trust)


@contextmanager
def sharing() -> Iterator[None]:
    """One check of many components: in this block, by whatever thread, sources of one kind share what they ask."""
    from fsm.sources import github_list  # noqa: PLC0415 - TLS, only for those who ask

    with github_list.sharing():
        yield
