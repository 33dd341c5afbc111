"""The configuration of each kind of source. Apart from the sources themselves, so that reading it costs little."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from fsm.model import HostPath, HttpUrl, Seconds
from fsm.sources.base import SourceOptions
from fsm.sources.urls import host_of, is_loopback, origin_of, why_not

Host = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._:-]+$", max_length=253)]
"""A host's name or address in lower case, without scheme, port and brackets."""


class DirectorySpec(SourceOptions):
    """Releases in a directory of this host, in the layout that `fsm.sources.layout` describes.

    Attributes:
        path: the directory that holds one folder per version.
    """

    type: Literal["directory"]
    path: HostPath


class HttpSpec(SourceOptions):
    """Releases on an HTTP server, as `fsm.sources.http` describes.

    Attributes:
        url: the folder that holds the releases; no user name, no query.
        insecure_hosts: hosts that plain http is allowed for; loopback always is.
        artifact_hosts: other hosts that a manifest may name in the URLs of its artifacts.
        token_env: the environment variable with a bearer token for `url`'s server.
        token_file: the file with it.
        max_redirects: redirects that are followed per request.
        timeout: seconds to connect, and seconds without a byte.
        ca_file: PEM file with the authorities that are trusted instead of the system's.
    """

    type: Literal["http"]
    url: HttpUrl
    insecure_hosts: tuple[Host, ...] = ()
    artifact_hosts: tuple[Host, ...] = ()
    token_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    token_file: HostPath | None = None
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    ca_file: HostPath | None = None

    @model_validator(mode="after")
    def _usable(self) -> HttpSpec:
        refused = why_not(self.url, self.insecure_hosts)
        if refused:
            raise ValueError(f"url cannot be used: {refused}")
        if "?" in self.url:
            raise ValueError("url must not have a query: it names a folder")
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("token_env and token_file exclude each other")
        has_token = self.token_env is not None or self.token_file is not None
        if has_token and origin_of(self.url)[0] == "http" and not is_loopback(host_of(self.url)):
            raise ValueError("a token cannot be sent over plain http: everybody on the way could read it; use https")
        return self
