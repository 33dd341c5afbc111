"""Releases on an HTTP server, in the layout of `fsm.sources.layout`, below one URL.

``<url>/index.json`` is the list of releases, strict::

    {"releases": [{"version": "1.2.0", "prerelease": false, "draft": false, "notes": "...", "files": ["app.tar.gz"]}]}

Only ``version`` (also the folder's name) must be there. A server without it is read through its directory listings,
so that ``python -m http.server`` in a directory source's directory is a source; draft and prerelease then come from
each folder's ``release.json``, and nothing can be cached.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from pydantic import ValidationError, field_validator

from fsm.errors import ManifestError, SourceError
from fsm.formats.artifacts import Artifact
from fsm.formats.explain import first_problem
from fsm.formats.releases import Release
from fsm.formats.trust.belief import Trust
from fsm.model import Model
from fsm.sources.base import MANIFEST_LIMIT, Announced, Cached, Check, Listing, Notices, Progress, versioned
from fsm.sources.download import Download, is_page
from fsm.sources.htmlindex import Entries
from fsm.sources.layout import announce, build
from fsm.sources.ranges import encoding_of, length, media_type, not_there, opener
from fsm.sources.specs import HttpSpec
from fsm.sources.urls import below, host_of, join, redact, why_not
from fsm.sources.web import USABLE, Answer, Web

INDEX: Final = "index.json"
INDEX_LIMIT: Final = 4 << 20
"""Bytes that a list of releases or files may have."""

MOST_FOLDERS: Final = 200
"""How many releases of a directory listing are looked at, highest versions first: each costs a request."""

_ASK: Final = "report this to whoever runs the server"

_NO_HEAD: Final = frozenset({400, 403, 405, 501})
"""How servers say that they do not answer HEAD (403: a URL signed for GET only)."""


class _Entry(Model):
    version: str
    prerelease: bool = False
    draft: bool = False
    notes: str = ""
    files: tuple[str, ...] | None = None


class _Index(Model):
    releases: tuple[_Entry, ...]

    @field_validator("releases")
    @classmethod
    def _each_once(cls, releases: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
        twice = [version for version, times in Counter(entry.version for entry in releases).items() if times > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return releases


class HttpSource:
    """The releases of one component on an HTTP server.

    Args:
        spec: the configuration.
        component: whose releases they are.
        trust: whose signatures their manifests must have, if any.
    """

    def __init__(self, spec: HttpSpec, component: str, trust: Trust | None = None) -> None:
        self._spec = spec
        self._component = component
        self._trust = trust

    def releases(self, cached: Cached | None = None) -> Listing:
        """What ``index.json`` announces, else the folders of the directory listing."""
        condition = _condition(self._spec.url, cached)
        with Web(self._spec) as web:
            with web.open("GET", self._index_url, condition, usable=USABLE | ({304} if condition else set())) as answer:
                if answer.status == 304 and cached is not None:
                    return Listing(
                        releases=cached.releases,
                        warnings=cached.warnings,
                        validator=cached.validator,
                        not_modified=True,
                    )
                if answer.status != 404:
                    return self._from_index(answer)
            return self._from_listing(web)

    def release(self, announced: Announced) -> Release:
        """What the server has in the release's folder."""
        found, _ = versioned([announced.tag], redact(self._spec.url))
        if not found:
            what = f"cannot read {announced.tag!r} of {redact(self._spec.url)}"
            raise SourceError(what, "it is not a version", "see `fsm check`")
        with Web(self._spec) as web:
            return build(announced, _Folder(web, self._spec, announced.tag), self._spec, self._component, self._trust)

    def notices(self) -> Notices:
        """What the server has beside the releases' folders."""
        with Web(self._spec) as web:
            return Notices.of(_Folder(web, self._spec).read)

    def fetch(self, artifact: Artifact, dest: Path, *, check: Check, progress: Progress) -> None:
        """Download an artifact, resumable and verified."""
        refused = _not_allowed(artifact.url, self._spec)
        if refused:
            raise SourceError(f"cannot fetch {artifact.name}", *refused)
        with Web(self._spec) as web:
            open_body = opener(web, artifact.url, artifact.name)
            Download(artifact, dest, open_body, self._spec.max_artifact_mb, check, progress).run()

    @property
    def _index_url(self) -> str:
        return below(self._spec.url, INDEX)

    def _from_index(self, answer: Answer) -> Listing:
        index = _parse_index(answer)
        entries = {entry.version: entry for entry in index.releases}
        found, warnings = versioned(entries, redact(self._index_url))
        announced = tuple(
            Announced(version=version, tag=tag, **entries[tag].model_dump(include={"prerelease", "draft", "notes"}))
            for tag, version in found.items()
        )
        return Listing(releases=announced, warnings=warnings, validator=_validator(self._spec.url, answer))

    def _from_listing(self, web: Web) -> Listing:
        url = below(self._spec.url)
        entries = _entries(web, url)
        if entries is None:
            raise SourceError(
                f"cannot list the releases at {redact(url)}",
                f"there is neither an {INDEX} nor a directory listing",
                "check the url of the component's source",
            )
        found, warnings = versioned(entries.folders, redact(url))
        newest = sorted(found, key=lambda tag: found[tag], reverse=True)
        if len(newest) > MOST_FOLDERS:
            warnings += (f"{redact(url)} has {len(newest)} releases, only the newest {MOST_FOLDERS} were read",)
        announced: list[Announced] = []
        for tag in newest[:MOST_FOLDERS]:
            release, warning = announce(_Folder(web, self._spec, tag), tag, found[tag])
            announced += [release] if release else []
            warnings += (warning,) if warning else ()
        return Listing(releases=tuple(announced), warnings=warnings)


class _Folder:
    """One release's folder on the server, or that of all."""

    def __init__(self, web: Web, spec: HttpSpec, tag: str = "") -> None:
        self._web = web
        self._spec = spec
        self._tag = tag
        self._url = below(spec.url, tag, folder=True) if tag else below(spec.url)
        self.where = redact(self._url)

    def read(self, name: str) -> bytes | None:
        with self._web.open("GET", below(self._url, name)) as answer:
            return answer.small(MANIFEST_LIMIT) if answer.status == 200 else None

    def names(self) -> tuple[str, ...] | None:
        """From the index as it is now, for files are announced there when they are complete; else the listing."""
        with self._web.open("GET", below(self._spec.url, INDEX)) as answer:
            releases = _parse_index(answer).releases if answer.status != 404 else ()
        files = next((entry.files for entry in releases if entry.version == self._tag), None)
        if files is not None:
            return files
        entries = _entries(self._web, self._url)
        return None if entries is None else entries.files

    def locate(self, artifact: Artifact) -> str:
        url = join(self._url, artifact.url) if artifact.url else below(self._url, artifact.name)
        refused = _not_allowed(url, self._spec)
        if refused:
            raise ManifestError(f"cannot use the artifact {artifact.name} of {self.where}", *refused)
        return url

    def size(self, artifact: Artifact) -> int | None:
        """Asked with HEAD. Some servers do not answer it for what they would send: then the size stays unknown.

        So it does where something else was measured: an encoded form of the file, or a captive portal's page.
        """
        with self._web.open("HEAD", artifact.url, usable=USABLE | _NO_HEAD) as answer:
            if answer.status == 404:
                raise not_there(artifact.name, artifact.url)
            odd = encoding_of(answer) or is_page(media_type(answer), artifact.name)
            return length(answer) if answer.status == 200 and not odd else None


def _entries(web: Web, url: str) -> Entries | None:
    """What the directory listing at `url` shows; None if there is none."""
    with web.open("GET", url) as answer:
        return Entries(_whole(answer), answer.url) if answer.status == 200 else None


def _parse_index(answer: Answer) -> _Index:
    try:
        return _Index.model_validate_json(_whole(answer))
    except ValidationError as error:
        raise SourceError(f"cannot read {redact(answer.url)}", str(first_problem(error)), _ASK) from error


def _whole(answer: Answer) -> bytes:
    """A list of releases or files, as it came."""
    data = answer.small(INDEX_LIMIT)
    if len(data) > INDEX_LIMIT:
        raise SourceError(f"cannot read {redact(answer.url)}", f"it is longer than {INDEX_LIMIT} bytes", _ASK)
    return data


def _not_allowed(url: str, spec: HttpSpec) -> tuple[str, str] | None:
    """Why an artifact may not be fetched from there, and what to do; a manifest names no host by itself."""
    refused = why_not(url, spec.insecure_hosts)
    if refused:
        return refused, "use https, or allow the host in insecure_hosts of the component's source"
    if host_of(url) not in (host_of(spec.url), *spec.artifact_hosts):
        why = f"its URL is on {host_of(url)}, which the configuration does not name"
        return why, "add that host to artifact_hosts of the component's source if you trust it"
    return None


def _condition(base: str, cached: Cached | None) -> dict[str, str]:
    """The headers of a conditional request; nothing where the cached list came from another URL."""
    url, _, known = (cached.validator if cached else "").partition(" ")
    if url != base or not known:
        return {}
    return {"If-None-Match" if known.startswith(('"', "W/")) else "If-Modified-Since": known}


def _validator(base: str, answer: Answer) -> str | None:
    known = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    return f"{base} {known}" if known else None
