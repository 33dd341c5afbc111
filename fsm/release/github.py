"""Publishing releases on GitHub, by PyGithub, whose only importer this is.

A small client for one repository: what a release is made of, each call with a deadline and a bounded number of tries.
PyGithub's own habits that are switched off here: it sleeps until a rate limit's reset (an hour); it sends what goes to
the uploads' host without any timeout, because it makes another connection for it; so a second client is made whose
home is that host. A request that changes something is never repeated by this client: whoever publishes looks first
what is there (`Publisher.releases`), and so converges.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, TypeVar, cast

from pydantic import ConfigDict, ValidationError

from fsm.errors import FsmError, SourceError, StepFailed, Transient
from fsm.formats.explain import first_problem
from fsm.model import Model, Seconds
from fsm.sources.urls import host_of, origin_of, redact, why_not
from fsm.sources.weberrors import from_exception, from_github
from fsm.system.digest import PLAINLY

if TYPE_CHECKING:
    from github.Requester import Requester

API: Final = "https://api.github.com"
TIMEOUT: Final = 30.0
TRIES: Final = 3
"""How often a question is asked; what changes something is asked once."""

MOST_PAGES: Final = 100
_CHUNK: Final = 1 << 18
_BINARY: Final = "application/octet-stream"

_T = TypeVar("_T")


class _Shown(Model):
    """What GitHub shows; it adds keys at any time."""

    model_config = ConfigDict(extra="ignore")


class Asset(_Shown):
    """One file of a release, as GitHub shows it.

    Attributes:
        id: GitHub's number.
        name: as GitHub made it: special characters have become dots.
        size: bytes.
        digest: ``sha256:...`` of what GitHub has; None on a server that does not tell, and for a half upload.
        state: ``uploaded``; ``starter`` (or ``open``) is what an upload leaves that broke off.
        label: shown instead of the name.
        browser_download_url: where a browser gets it.
    """

    id: int
    name: str
    size: int
    digest: str | None = None
    state: str
    label: str | None = None
    browser_download_url: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its upload came to its end."""
        return self.state == "uploaded"


class GitHubRelease(_Shown):
    """A release, as GitHub shows it; `upload_url` is where its assets go."""

    id: int
    tag_name: str
    name: str | None = None
    body: str | None = None
    draft: bool
    prerelease: bool
    immutable: bool = False
    html_url: str
    upload_url: str
    target_commitish: str = ""


class Publisher:
    """The releases of one repository, for somebody who may write. Use it as a context manager.

    Args:
        repository: ``owner/name``.
        token: with the permission ``contents: write``; it is in no message.
        api_url: of a GitHub Enterprise Server: ``https://HOST/api/v3``.
        timeout: seconds to connect, and seconds without a byte.
        upload_timeout: seconds that one upload may take as a whole.

    Raises:
        SourceError: an address that a token may not be sent to.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        api_url: str = API,
        timeout: Seconds = TIMEOUT,
        upload_timeout: Seconds = 3600.0,
    ) -> None:
        refused = why_not(api_url, ())
        if refused:
            raise SourceError(f"cannot publish to {redact(api_url)}", refused, "correct the API's address")
        self._token = token
        self._api_url = api_url.rstrip("/")
        self._timeout = timeout
        self._upload_timeout = upload_timeout
        self._path = f"/repos/{repository}/releases"
        self._api = self._requester(self._api_url)
        self._uploads: Requester | None = None

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()
        if self._uploads is not None:
            self._uploads.close()

    def releases(self) -> tuple[GitHubRelease, ...]:
        """Every release, newest first, drafts included: a draft is found by listing only.

        Raises:
            Transient, SourceError: as every call here: no usable answer; `after` says when a rate limit ends.
        """
        return tuple(self._read(GitHubRelease, each) for each in self._listed(self._path))

    def create_draft(
        self, tag: str, *, name: str = "", body: str = "", target: str | None = None, prerelease: bool = False
    ) -> GitHubRelease:
        """Make a draft; nobody else sees it. `target` is the commit for a tag that does not exist yet."""
        asked: dict[str, Any] = {"tag_name": tag, "name": name or tag, "body": body, "draft": True}
        asked |= {"prerelease": prerelease} | ({"target_commitish": target} if target else {})
        return self._read(GitHubRelease, self._changed("POST", self._path, asked))

    def publish(self, release: GitHubRelease, *, latest: Literal["true", "false", "legacy"] = "true") -> GitHubRelease:
        """Make a draft seen by all. `latest`: whether GitHub calls it the latest one (never for a pre-release)."""
        asked = {"draft": False} | ({} if release.prerelease else {"make_latest": latest})
        return self._read(GitHubRelease, self._changed("PATCH", f"{self._path}/{release.id}", asked))

    def update(self, release: GitHubRelease, *, name: str, body: str) -> GitHubRelease:
        """Correct a release's title and notes."""
        asked = {"name": name, "body": body}
        return self._read(GitHubRelease, self._changed("PATCH", f"{self._path}/{release.id}", asked))

    def assets(self, release: GitHubRelease) -> tuple[Asset, ...]:
        """The files of a release, half ones included, with size and digest as GitHub has them."""
        return tuple(self._read(Asset, each) for each in self._listed(f"{self._path}/{release.id}/assets"))

    def delete_asset(self, asset: Asset) -> None:
        """Remove a file from a release."""
        self._changed("DELETE", f"{self._path}/assets/{asset.id}", None)

    def upload(self, release: GitHubRelease, path: Path, name: str | None = None) -> Asset:
        """Add a file to a release, streamed; `name` where it is to have another.

        Raises:
            StepFailed: the file cannot be read.
            SourceError: also when there is an asset of that name already, half or whole.
        """
        url = release.upload_url.partition("{")[0]
        try:
            stream = _Deadlined(path, self._upload_timeout)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise StepFailed(f"cannot upload {path}", why, "build the artifact again") from error
        with stream, self._errors(url):
            size = os.fstat(stream.fileno()).st_size
            headers = {"Content-Type": _BINARY, "Content-Length": str(size)}
            body = cast("BinaryIO", stream if size else b"")  # of an empty stream requests makes chunks
            query = {"name": name or path.name}
            _, found = self._uploader(url).requestMemoryBlobAndCheck("POST", url, query, headers, body)
        return self._read(Asset, found)

    def _uploader(self, url: str) -> Requester:
        """The client of the uploads' host; the token goes to the API's own host, and to its twin, only."""
        scheme, host, _ = origin_of(url)
        mine = host_of(self._api_url)
        if scheme != origin_of(self._api_url)[0] or host not in (mine, f"uploads.{mine.removeprefix('api.')}"):
            raise SourceError(
                f"cannot upload to {redact(url)}",
                f"the token is for {mine}, and that is another host",
                "check the API's address, and who answers there",
            )
        if self._uploads is None:
            parts = url.partition("/repos/")
            self._uploads = self._requester(parts[0])
        return self._uploads

    def _requester(self, base_url: str) -> Requester:
        from github import Auth, Github  # noqa: PLC0415 - 0.5 s, only for those who publish

        made = Github(
            auth=Auth.Token(self._token),
            base_url=base_url,
            timeout=int(self._timeout) or 1,
            retry=0,
            per_page=100,
            user_agent="fsm-updater",
            seconds_between_requests=None,
            seconds_between_writes=None,
        )
        return made.requester

    def _listed(self, path: str) -> Iterator[Any]:
        """The items of all the pages of a list."""
        for page in range(1, MOST_PAGES + 1):
            query = {"per_page": 100, "page": page}
            headers, found = self._asked(
                lambda query=query: self._api.requestJsonAndCheck("GET", path, query),  # type: ignore[misc]
                self._api_url + path,
            )
            yield from found or ()
            if 'rel="next"' not in headers.get("link", ""):
                return

    def _changed(self, method: str, path: str, asked: dict[str, Any] | None) -> Any:
        with self._errors(self._api_url + path):
            return self._api.requestJsonAndCheck(method, path, input=asked)[1]

    def _asked(self, ask: Callable[[], _T], url: str) -> _T:
        """Ask, and again where that may help soon; a rate limit is for the caller to wait for."""
        for left in reversed(range(TRIES)):
            try:
                with self._errors(url):
                    return ask()
            except Transient as error:
                if not left or error.after is not None:
                    raise
                time.sleep(0.2 * (TRIES - left))
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _errors(self, url: str) -> Iterator[None]:
        """Turn what PyGithub and requests throw into this package's errors."""
        from github import GithubException  # noqa: PLC0415 - loaded by now

        try:
            yield
        except FsmError:
            raise
        except GithubException as error:
            headers = {name.title(): value for name, value in (error.headers or {}).items()}
            raise from_github(error.status, headers, url, _message(error.data)) from None
        except OSError as error:  # all that requests throws is one, too
            raise from_exception(_inside(error), url, self._timeout) from None

    def _read(self, kind: type[_Kind], found: Any) -> _Kind:
        try:
            return kind.model_validate(found)
        except ValidationError as error:
            what = f"cannot understand {host_of(self._api_url)}"
            raise SourceError(what, str(first_problem(error)), "check the API's address") from error


_Kind = TypeVar("_Kind", bound=_Shown)


class _Deadlined(io.FileIO):
    """A file that is read for an upload, but not for ever: a socket's own timeout starts anew with each byte."""

    def __init__(self, path: Path, seconds: Seconds) -> None:
        super().__init__(path, opener=lambda name, flags: os.open(name, flags | PLAINLY))
        if not stat.S_ISREG(os.fstat(self.fileno()).st_mode):
            self.close()
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        self._path = path
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes, in pieces small enough to look at the clock between them.

        Raises:
            Transient: the time is up.
        """
        if time.monotonic() > self._until:
            raise Transient(
                f"cannot upload {self._path.name}",
                f"it took longer than {self._seconds:g} s",
                "publish again; files already uploaded are kept",
            )
        return super().read(size if size is not None and 0 < size < _CHUNK else _CHUNK) or b""


def _inside(error: Exception) -> Exception:
    """What urllib3 threw, out of what requests made of it."""
    inside = error.args[0] if error.args else None
    reason = getattr(inside, "reason", None) or inside
    return reason if isinstance(reason, Exception) else error


def _message(data: Any) -> str:
    """What GitHub said, and the code of each field's error."""
    if not isinstance(data, dict):
        return ""
    errors = data.get("errors")
    codes = [each["code"] for each in errors if isinstance(each, dict) and "code" in each] if errors else []
    return ": ".join([str(data.get("message", ""))[:200], *map(str, codes)])
