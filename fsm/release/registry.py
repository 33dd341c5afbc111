"""Asks a container registry which digest a tag has now, by the OCI distribution API.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests; tokens as in
https://distribution.github.io/distribution/spec/auth/token/. The digest is computed from the manifest's own bytes.
Registries on loopback are asked by http, as Docker does, all others by https.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fsm.errors import Transient
from fsm.formats.foreign import json_of
from fsm.system.http import Client, Unanswered

TIMEOUT: Final = 30.0
"""Seconds for a connection, and for each read."""

TRIES: Final = 3
"""How often a question is asked that gets no answer."""

LIMIT: Final = 4 << 20
"""Bytes that a manifest may have; the specification's own minimum for registries."""

HUB: Final = "registry-1.docker.io"
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_LOCAL: Final = re.compile(r"^(?:localhost|127(?:\.\d+){3})(?::\d+)?$")


class Reference(NamedTuple):
    """An image: its registry's host (with port), repository and tag."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, image: str) -> Reference:
        """Read ``registry:5000/team/app:1.2``; without a registry it is Docker Hub's, as for Docker itself."""
        head, slash, rest = image.partition("/")
        if not slash or not (set(".:") & set(head) or head == "localhost"):
            head, rest = HUB, image if slash else f"library/{image}"
        head = HUB if head in ("docker.io", "index.docker.io") else head
        repository, _, tag = rest.rpartition(":")
        return cls(head, repository, tag)

    @property
    def origin(self) -> str:
        """Where the registry is."""
        return f"{'http' if _LOCAL.match(self.registry) else 'https'}://{self.registry}"


def digest_of(image: str) -> str:
    """The digest of an image's tag, ``sha256:...``.

    Args:
        image: a reference with a tag.

    Raises:
        Transient: the registry does not answer, refuses, or does not have it.
    """
    where = Reference.parse(image)
    url = f"{where.origin}/v2/{where.repository}/manifests/{where.tag}"
    try:
        with Client(TIMEOUT) as client:
            answer = _get(client, url, {"Accept": _ACCEPT})
            if answer.status == 401:
                token = _token(client, where, answer.challenge)
                answer = _get(client, url, {"Accept": _ACCEPT, "Authorization": token})
    except (Unanswered, ValueError) as error:
        raise _failed(image, str(error)) from error
    if answer.status != 200:
        raise _failed(image, f"{where.registry} answers {answer.status}")
    return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"


class _Answer(NamedTuple):
    status: int
    challenge: str
    body: bytes


def _get(client: Client, url: str, headers: Mapping[str, str]) -> _Answer:
    for left in reversed(range(TRIES)):
        try:
            return _once(client, url, headers)
        except Unanswered as failure:
            if not left or failure.kind != "passing":
                raise
    raise AssertionError("the last try returns or raises")


def _once(client: Client, url: str, headers: Mapping[str, str]) -> _Answer:
    reply = client.send("GET", url, headers)
    try:
        body = reply.small(LIMIT)
    finally:
        reply.close()
    if len(body) > LIMIT:
        raise ValueError(f"its answer has more than {LIMIT} bytes")
    return _Answer(reply.status, reply.headers.get("WWW-Authenticate", ""), body)


def _token(client: Client, where: Reference, challenge: str) -> str:
    """The Authorization header that a challenge asks for; with the credentials of ``docker login``, if any."""
    login = _login(where.registry)
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() != "bearer":
        return f"Basic {login}" if login else ""
    asked = dict(_PARAMETER.findall(rest))
    realm = asked.get("realm", "")
    if not realm.startswith(("https://", f"{where.origin}/")):
        raise ValueError(f"it sends people to {realm[:80]!r} for a token")  # credentials travel by https only
    query = urlencode({"service": asked.get("service", ""), "scope": f"repository:{where.repository}:pull"})
    headers = {"Authorization": f"Basic {login}"} if login else {}
    answer = _get(client, f"{realm}{'&' if '?' in realm else '?'}{query}", headers)
    data: Any = json_of(answer.body or b"null")
    token = (data.get("token") or data.get("access_token")) if isinstance(data, dict) else None
    if not isinstance(token, str):
        raise ValueError(f"no token: the registry's login answers {answer.status}")
    return f"Bearer {token}"


def _login(registry: str) -> str:
    """What ``docker login`` has stored in its plain file, base64; credential helpers are not asked."""
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    name = "https://index.docker.io/v1/" if registry == HUB else registry
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["auths"][name]["auth"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def _failed(image: str, why: str) -> Transient:
    todo = "push the image first, log in to its registry (docker login), or write its digest"
    return Transient(f"cannot resolve {image}", why, todo)
