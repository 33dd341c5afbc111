"""The configuration of each kind of source. Apart from the sources themselves, so that reading it costs little."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from fsm.model import HostPath, HttpUrl, Model, Seconds, VariableName, spelled
from fsm.sources.base import MANIFEST, SourceOptions
from fsm.sources.remotes import why_no_remote
from fsm.sources.urls import host_of, is_loopback, origin_of, why_not
from fsm.system.inherited import withhold

Host = Annotated[str, spelled(r"^[a-z0-9._:-]+$", "a host name in lower case, without scheme and path", 253)]
"""A host's name or address in lower case, without scheme, port and brackets."""


SecretVariable = Annotated[VariableName, AfterValidator(withhold)]
"""The name of an environment variable with a secret, which no child of this process inherits."""


class DirectorySpec(SourceOptions):
    """Releases in a directory of this host, in the layout that `fsm.sources.layout` describes.

    Attributes:
        path: the directory that holds one folder per version.
    """

    type: Literal["directory"]
    path: HostPath


RefName = Annotated[str, spelled(r"^[A-Za-z0-9_][A-Za-z0-9._/+@*-]{0,199}$", "the name of a branch or tag")]
"""A branch's name, or a pattern of tags, as narrow as the names that people give."""


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
    token_env: SecretVariable | None = None
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
            raise ValueError("a token must not be sent over plain http, where others could read it; use https")
        return self


class GitHubSpec(SourceOptions):
    """Releases on GitHub, as `fsm.sources.github` describes.

    Attributes:
        repository: ``owner/name``.
        tag_prefix: what stands before the version in the tags of this component (``web/``), for repositories with
            several components; other tags are none of its releases. A ``v`` may follow.
        manifest: the manifest's name among a release's files.
        require_manifest: whether a release without a readable manifest is not ready yet.
        api_url: of a GitHub Enterprise Server: ``https://HOST/api/v3``.
        token_env: the environment variable with a token; a public repository needs none.
        token_file: the file with it.
        token_credential: the systemd credential with it (``LoadCredential=`` of the units).
        max_redirects: redirects that are followed per request.
        timeout: seconds to connect, and seconds without a byte.
        ca_file: PEM file with the authorities that are trusted instead of the system's.
    """

    type: Literal["github"]
    repository: Annotated[
        str, spelled(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}$", "a GitHub repository like owner/name")
    ]
    tag_prefix: Annotated[str, spelled(r"^[A-Za-z0-9._/+@-]{0,100}$", "the beginning of a tag")] = ""
    manifest: Annotated[str, spelled(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a plain file name")] = MANIFEST
    require_manifest: bool = True
    api_url: HttpUrl = "https://api.github.com"
    token_env: SecretVariable | None = None
    token_file: HostPath | None = None
    token_credential: (
        Annotated[str, spelled(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", "the name of a systemd credential")] | None
    ) = None
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    ca_file: HostPath | None = None

    @property
    def url(self) -> str:
        """Whose answers are believed, and where the token goes."""
        return self.api_url

    @property
    def insecure_hosts(self) -> tuple[Host, ...]:
        """Plain http is for loopback only."""
        return ()

    @model_validator(mode="after")
    def _usable(self) -> GitHubSpec:
        refused = why_not(self.api_url, ())
        if refused or "?" in self.api_url:
            raise ValueError(f"api_url cannot be used: {refused or 'it has a query'}")
        if sum(each is not None for each in (self.token_env, self.token_file, self.token_credential)) > 1:
            raise ValueError("token_env, token_file and token_credential exclude each other")
        if ".." in self.repository.split("/") or "." in self.repository.split("/"):
            raise ValueError(f"{self.repository!r} is not a repository")
        return self


class GitSpec(Model):
    """A branch, or the tags, of a git repository, as `fsm.sources.git` describes.

    Attributes:
        url: the repository: ``https://``, ``ssh://``, ``file://``, ``git@host:path`` or an absolute path; no password.
        branch: the branch that is followed: its end is the release, whatever came before it.
        tags: a pattern with one ``*`` for the version (``v*``, ``web/v*``): each such tag is a release.
        user: the user name that goes with the token.
        token_env: the environment variable with a token for `url`'s server; without one git's own ways are used
            (an ssh key, a credential helper).
        token_file: the file with it.
        insecure_hosts: hosts that a token may be sent to over plain http; loopback always is.
        timeout: seconds for one question to the repository.
        allow_unsigned: whether commits are taken although nothing shows who made them; needed, as none is verified.
    """

    type: Literal["git"]
    url: Annotated[str, Field(min_length=1, max_length=4096)]
    branch: RefName | None = None
    tags: RefName | None = None
    user: Annotated[str, spelled(r"^[A-Za-z0-9._-]+$", "a user name")] = "x-access-token"
    token_env: SecretVariable | None = None
    token_file: HostPath | None = None
    insecure_hosts: tuple[Host, ...] = ()
    timeout: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    allow_unsigned: bool = False

    @field_validator("url")
    @classmethod
    def _remote(cls, value: str) -> str:
        refused = why_no_remote(value)
        if refused:
            raise ValueError(f"url cannot be used: {refused}")
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> GitSpec:
        if (self.branch is None) == (self.tags is None):
            raise ValueError("give exactly one of branch and tags")
        if self.branch is not None and (".." in self.branch or "*" in self.branch or self.branch.endswith(("/", "."))):
            raise ValueError(f"{self.branch!r} is not a branch name")
        if self.tags is not None and self.tags.count("*") != 1:
            raise ValueError("tags must have exactly one * for the version, as in v*")
        if self.token_env is None and self.token_file is None:
            return self
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("token_env and token_file exclude each other")
        self._for_a_token()
        return self

    def _for_a_token(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ValueError("a token works only with https; ssh uses keys")
        host = host_of(self.url)
        if self.url.startswith("http://") and not is_loopback(host) and host not in self.insecure_hosts:
            raise ValueError("a token must not be sent over plain http, where others could read it; use https")
