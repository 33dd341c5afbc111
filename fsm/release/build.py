"""Makes the manifests and the checksum files of a release from its description and the built files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from fsm.formats.explain import first_problem
from fsm.formats.manifest import Manifest, canonical
from fsm.formats.sums import algorithms, sums
from fsm.model import Version
from fsm.release.collecting import Found, collect
from fsm.release.description import ComponentRule, Description, Source, read
from fsm.release.globbing import MANIFEST
from fsm.release.hashing import Hasher, hash_files
from fsm.release.images import pinned
from fsm.release.made import commit_time, times, why_unknown
from fsm.release.problems import ReleaseError, Spot
from fsm.release.versioning import Decided, decide
from fsm.system import files, regular
from fsm.system.digest import Hashed

if TYPE_CHECKING:
    from fsm.release.signing import Signing

NOTES_LIMIT: Final = 256 << 10
"""Bytes that notes may have: a manifest has at most 1 MiB."""


DAY: Final = 86_400.0
"""Seconds that two machines' clocks may differ by."""


@dataclass(frozen=True)
class Options:
    """What a call says about a release.

    Attributes:
        description: the file, or the directory that it is in; None means the working directory.
        version: as a person gave it; None means what the tag or the repository says.
        tag: that the release has; None means that of ``GITHUB_REF``, if any.
        styles: checksum files beside ``SHA256SUMS``, see `fsm.formats.sums`.
        resolve_images: whether registries are asked for the digests of images.
        default_version: where nothing says the version; None means that this is an error.
        sequence: how new the release is; None means the seconds since 1970 of the commit or of ``SOURCE_DATE_EPOCH``.
        signing: who signs it, if anybody.
        artifacts, images: what the only component has beside what the description says.
        keyring: the file that is published with it; None means that beside the description, if any, where it is signed.
    """

    description: Path | None = None
    version: str | None = None
    tag: str | None = None
    styles: tuple[str, ...] = ()
    resolve_images: bool = True
    default_version: Version | None = None
    sequence: int | None = None
    signing: Signing | None = None
    keyring: Path | None = None
    artifacts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A description with its version, and the files that belong to it.

    Attributes:
        source: the description as it was read.
        decided: version, tag, and the only component that the tag is for, if any.
        components: those that are released, with their numbers in the description.
        found: their files.
        made: when, in seconds since 1970: the commit's time; None if that is unknown.
    """

    source: Source
    decided: Decided
    components: tuple[tuple[int, ComponentRule], ...]
    found: tuple[Found, ...]
    made: int | None

    def manifest_name(self, component: str) -> str:
        """The file name of a component's manifest: with its name in it where several share a release."""
        return f"{MANIFEST}.yaml" if len(self.components) == 1 else f"{MANIFEST}-{component}.yaml"


@dataclass(frozen=True)
class Built:
    """The content of a release.

    Attributes:
        prepared: what it was made of.
        hashed: the artifacts, by path.
        manifests: the manifests' bytes, by file name.
        sums: the checksum files' bytes, by file name.
        trust: signatures of the manifests, and the keyring with its own, by file name.
        signed_by: the ids of the keys that signed; empty if nobody did.
    """

    prepared: Prepared
    hashed: Mapping[Path, Hashed]
    manifests: Mapping[str, bytes]
    sums: Mapping[str, bytes]
    trust: Mapping[str, bytes] = field(default_factory=dict)
    signed_by: tuple[str, ...] = ()

    def is_signed(self, name: str) -> bool:
        """Whether a file is a signed manifest, or an artifact, whose digest stands in one."""
        return bool(self.signed_by) and (name in self.manifests or any(f.name == name for f in self.prepared.found))

    @property
    def made(self) -> Mapping[str, bytes]:
        """Every file that was made, by name."""
        return {**self.manifests, **self.sums, **self.trust}

    def write(self, directory: Path) -> tuple[Path, ...]:
        """Write manifests, sums and signatures; each is there whole or not at all.

        Raises:
            ReleaseError: they cannot be written.
        """
        written = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name, data in self.made.items():
                files.write_atomic(directory / name, data)
                written.append(directory / name)
        except OSError as error:
            raise ReleaseError(Spot(str(directory)), f"cannot be written: {error.strerror}", "check it") from error
        return tuple(written)


def prepare(options: Options) -> Prepared:
    """Read the description, decide the version, find the files.

    Raises:
        ReleaseError: one of these fails; with file and line.
    """
    source = read(options.description)
    decided = decide(source, version=options.version, tag=options.tag, default=options.default_version)
    description = source.describe(decided.version)
    components = _with_more(source, chosen(description, decided.component), options)
    return Prepared(source, decided, components, tuple(collect(source, components)), commit_time(source.root))


def _with_more(
    source: Source, components: tuple[tuple[int, ComponentRule], ...], options: Options
) -> tuple[tuple[int, ComponentRule], ...]:
    """The components with what the call adds; that can only be meant for one."""
    if not options.artifacts and not options.images:
        return components
    if len(components) != 1:
        why = f"has {len(components)} components, so it is not clear which the other files and images are of"
        raise ReleaseError(source.spot("components"), why, "write them into the description")
    number, rule = components[0]
    given = rule.model_dump(mode="json", exclude_unset=True)
    given["artifacts"] = [*given.get("artifacts", []), *({"path": path} for path in options.artifacts)]
    given["images"] = [*given.get("images", []), *options.images]
    try:
        return ((number, ComponentRule.model_validate_json(json.dumps(given))),)
    except ValidationError as error:
        raise ReleaseError(Spot("--artifact, --image"), str(first_problem(error)), "correct the call") from error


def chosen(description: Description, component: str | None) -> tuple[tuple[int, ComponentRule], ...]:
    """The components that are released, with their numbers: the one that a tag names, else all."""
    every = enumerate(description.components)
    return tuple((number, rule) for number, rule in every if component in (None, rule.name))


def build(options: Options, hasher: Hasher | None = None) -> Built:
    """Make everything that a release adds to its artifacts. Writes nothing; the same input gives the same bytes.

    Args:
        options: what the call says.
        hasher: with `algorithms(options.styles)`, where hashing has begun already.

    Raises:
        ReleaseError: with the file and the line that a person has to correct.
    """
    return assemble(prepare(options), options, hasher)


def assemble(prepared: Prepared, options: Options, hasher: Hasher | None = None) -> Built:
    """Hash the files, and make manifests and sums of that; arguments as for `build`.

    Raises:
        ReleaseError: a file cannot be hashed, an image cannot be resolved, or a manifest would not be valid.
    """
    wanted = algorithms(options.styles)
    paths = [each.path for each in prepared.found]
    hashed = hasher.of(paths) if hasher else hash_files(paths, wanted)
    manifests = {
        prepared.manifest_name(rule.name): _manifest(prepared, number, rule, hashed, options)
        for number, rule in prepared.components
    }
    trust = _trust(prepared, options, manifests)
    digests = {each.name: hashed[each.path].digests for each in prepared.found}
    digests |= {name: _digests(data, wanted) for name, data in manifests.items()}
    signed_by = tuple(key.public_key.name for key in options.signing.keys) if options.signing else ()
    return Built(prepared, hashed, manifests, sums(digests, options.styles), trust, signed_by)


def _trust(prepared: Prepared, options: Options, manifests: Mapping[str, bytes]) -> dict[str, bytes]:
    """Signatures, and the keyring that those who verify them need."""
    signing = options.signing
    if signing is None and options.keyring is None:
        return {}
    from fsm.formats.trust.documents import KEYRING  # noqa: PLC0415 - keys, only for those who have some
    from fsm.release.signing import keyring_of  # noqa: PLC0415 - see above

    beside = prepared.source.root / KEYRING
    path = options.keyring or (beside if signing and beside.is_file() else None)
    keys, repository = (signing.keys, signing.repository) if signing else ((), "")
    ring = keyring_of(path, keys, repository, prepared.made) if path else {}
    return {**(signing.signatures(manifests) if signing else {}), **ring}


def _digests(data: bytes, algorithms: Sequence[str]) -> dict[str, str]:
    import hashlib  # noqa: PLC0415 - loaded with `hashing` anyway

    return {name: hashlib.new(name, data).hexdigest() for name in algorithms}


def _manifest(
    prepared: Prepared, number: int, rule: ComponentRule, hashed: Mapping[Path, Hashed], options: Options
) -> bytes:
    data: dict[str, Any] = {
        "version": str(prepared.decided.version),
        "component": rule.name,
        "component_type": rule.type,
    }
    data |= _how_new(prepared, number, rule, options)
    kept = ("platform", "min_updater_version", "pre_update_checks", "post_update_checks", "rollback_steps")
    given = rule.model_dump(mode="json", exclude_unset=True)
    data |= {key: given[key] for key in kept if key in given}
    data["notes"] = _notes(prepared, number, rule)
    spot = prepared.source.spot("components", number, "images")
    data["update_steps"] = pinned(given.get("update_steps", []), rule.images, spot, resolve=options.resolve_images)
    data["artifacts"] = [
        {
            "name": each.name,
            "size": hashed[each.path].size,
            "sha256": f"sha256:{hashed[each.path].digests['sha256']}",
            **({"platform": each.platform} if each.platform else {}),
        }
        for each in prepared.found
        if each.component == rule.name
    ]
    try:
        return canonical(Manifest.model_validate_json(json.dumps(data)))
    except ValidationError as error:
        why = f"its manifest would be wrong: {first_problem(error)}"
        raise ReleaseError(prepared.source.spot("components", number), why, "correct the description") from error


def _how_new(prepared: Prepared, number: int, rule: ComponentRule, options: Options) -> dict[str, Any]:
    """What orders releases, and ends them."""
    made = prepared.made
    sequence = made if options.sequence is None else options.sequence
    if rule.expires_after_days is not None and made is None:
        spot = prepared.source.spot("components", number, "expires_after_days")
        why = f"needs the time of a commit{why_unknown(prepared.source.root)}"
        raise ReleaseError(spot, why, "build in a git checkout, or set $SOURCE_DATE_EPOCH")
    spot = prepared.source.spot("components", number)
    if options.signing is not None and sequence is None:
        why = f"cannot be signed: nothing says how new the release is{why_unknown(prepared.source.root)}"
        raise ReleaseError(spot, why, "build in a git checkout, or give --sequence N")
    if options.signing is not None and made is not None and made > time.time() + DAY:
        at = times(made, None)["released_at"]
        why = f"it would be signed as of {at}, a time to come: hosts would believe that it is that late"
        raise ReleaseError(spot, why, "correct the date of the commit, or this machine's clock")
    return {**({} if sequence is None else {"sequence": sequence}), **times(made, rule.expires_after_days)}


def _notes(prepared: Prepared, number: int, rule: ComponentRule) -> str:
    if rule.notes is None:
        return ""
    spot = prepared.source.spot("components", number, "notes")
    try:
        with regular.beneath(prepared.source.root, rule.notes) as descriptor:
            data = os.read(descriptor, NOTES_LIMIT + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ReleaseError(
            spot, f"{rule.notes} cannot be read: {error.strerror}", "write it, or drop `notes`"
        ) from error
    except UnicodeDecodeError as error:
        raise ReleaseError(spot, f"{rule.notes} is not UTF-8", "save it as UTF-8") from error
    if len(data) > NOTES_LIMIT:
        raise ReleaseError(spot, f"{rule.notes} has more than {NOTES_LIMIT} bytes", "make it shorter")
    return text.replace("\r\n", "\n").strip()
