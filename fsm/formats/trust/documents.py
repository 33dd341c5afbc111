"""The two small signed files beside manifests: the keyring, and the list of withdrawn versions.

``fsm-keyring.yaml``, signed by root keys that are kept offline::

    version: 3
    threshold: 1
    keys:
      - name: "ci"
        key: "RW..."
        not_after: "2027-06-30T00:00:00Z"
    revoked:
      - name: "old"
        key: "RW..."
        why: "its runner was broken into"

``fsm-withdrawn.yaml``, signed by keys of the keyring::

    repository: "owner/name"
    sequence: 1700000000
    withdrawn:
      - component: "web"
        version: "1.2.3"
        why: "loses the settings"

Both are written in the canonical form of `fsm.formats.manifest.canonical`, and parsed only after their
signature was verified.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from fsm.errors import TrustError, count
from fsm.formats.timestamps import Timestamp, moment
from fsm.formats.trust.minisign import PublicKey, twice
from fsm.model import ComponentName, Model, Version, spelled
from fsm.system.characters import HIDDEN

KEYRING: Final = "fsm-keyring.yaml"
WITHDRAWN: Final = "fsm-withdrawn.yaml"
SIGNATURE: Final = ".minisig"

DOCUMENT_LIMIT: Final = 256 << 10
"""Bytes of a keyring, or of a list of withdrawn versions."""

REPOSITORY_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}$"
RepositoryName = Annotated[str, spelled(REPOSITORY_NAME, "a repository like owner/name")]
"""``owner/name``: on GitHub, where it is; elsewhere any two names that tell one product from another."""

Sequence = Annotated[int, Field(ge=0, lt=1 << 53)]
"""What orders signed files: it never goes back. By default the seconds since 1970 of the commit."""

_WHY: Final = rf"^[^\x00-\x1f{HIDDEN}]*$"
Why = Annotated[str, spelled(_WHY, "one line without control characters", 500)]


def _key(text: str) -> str:
    try:
        return str(PublicKey.parse(text))
    except TrustError as error:
        raise ValueError(f"{error.why}") from error


KeyText = Annotated[str, AfterValidator(_key)]
"""A public key of minisign: the line that begins with ``RW``."""


class Key(Model):
    """A key that may sign.

    Attributes:
        name: what people call it.
        key: the public key.
        not_after: from then on nothing that it signed is installed anew.
        repositories: what it may sign for; empty means everything.
    """

    name: ComponentName
    key: KeyText
    not_after: Timestamp | None = None
    repositories: tuple[RepositoryName, ...] = ()

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey.parse(self.key)

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by then."""
        return self.not_after is not None and moment(self.not_after) <= now


class Revoked(Model):
    """A key that is believed no more, whatever it has signed."""

    name: ComponentName
    key: KeyText
    why: Why = ""

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey.parse(self.key)


class Keyring(Model):
    """Which keys may sign manifests.

    Attributes:
        version: counts up with every change; a host never goes back.
        threshold: how many different keys must have signed a manifest.
        keys: those that may sign.
        revoked: those that must not any more.
    """

    version: Annotated[int, Field(ge=1, lt=1 << 53)]
    threshold: Annotated[int, Field(ge=1, le=16)] = 1
    keys: Annotated[tuple[Key, ...], Field(min_length=1, max_length=100)]
    revoked: Annotated[tuple[Revoked, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Keyring:
        names = [each.name for each in self.keys]
        if len(set(names)) < len(names):
            raise ValueError("two keys have the same name")
        if twice([*(each.public for each in self.keys), *(each.public for each in self.revoked)]):
            raise ValueError("a key is listed twice")
        if self.threshold > len(self.keys):
            raise ValueError(f"threshold is {self.threshold}, but there are only {count(len(self.keys), 'key')}")
        return self


class Withdrawal(Model):
    """A version that nobody should install.

    Attributes:
        component: whose version; None means every component of the repository.
        version: which.
        why: what hosts show.
    """

    component: ComponentName | None = None
    version: Version
    why: Why = ""


class Withdrawn(Model):
    """The withdrawn versions of a repository.

    Attributes:
        repository: whose.
        sequence: never goes back.
        withdrawn: in the order in which they were withdrawn.
    """

    repository: RepositoryName
    sequence: Sequence
    withdrawn: Annotated[tuple[Withdrawal, ...], Field(max_length=1000)] = ()

    def why(self, component: str, version: Version) -> str | None:
        """Why a version is withdrawn; None if it is not."""
        for each in self.withdrawn:
            if each.component in (None, component) and each.version == version:
                return each.why or "no reason was given"
        return None


Document = TypeVar("Document", Keyring, Withdrawn)


def parse(kind: type[Document], data: bytes, what: str) -> Document:
    """Read a file whose signature was verified, or that a person has written.

    Raises:
        TrustError: it is too long, or not such a file.
        ManifestError: it is not that kind of YAML.
    """
    from fsm.formats.explain import advice  # noqa: PLC0415 - loaded with the configuration
    from fsm.formats.yamldoc import load  # noqa: PLC0415 - 10 ms

    if len(data) > DOCUMENT_LIMIT:
        raise TrustError(f"cannot read {what}", f"it has more than {DOCUMENT_LIMIT} bytes", "nothing was changed")
    document = load(data, where=what)
    try:
        return kind.model_validate_json(json.dumps(document.data))
    except ValidationError as error:
        key, why, todo = advice(error, kind, document.data)
        raise TrustError(f"cannot read {what}", f"{key} {why}".strip(), todo) from error
