"""A stateful GitHub for tests: real HTTP on 127.0.0.1, held to GitHub's own OpenAPI description.

    with FakeGitHub() as github:
        repository = github.add_repository("owner/app")
        repository.add_release("v1.2.0", {"app.tar.gz": b"..."})
        ...                                  # github.api_url, github.token
        assert github.asked("/repos/owner/app/releases")

It has hosts of their own, as the real one has: the API, the uploads, and the storage that downloads are redirected to
(a `ReleaseServer`: `github.storage.fault(...)`). `fault` makes the first two misbehave. A POST to the uploads that is
hit by a 5xx, or dropped, leaves a half asset behind. When the block ends, what was not as GitHub describes it, and a
token that went to the storage, fail the test.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qsl, unquote

from tests.github.api import ROUTES, UPLOADS, Call, Failure, Reply, signed
from tests.github.contract import Answered, Asked, Contract
from tests.github.state import Clock, Places, Repository
from tests.servers import Fault, Faulty, Listener, ReleaseServer, Request

LIMIT: Final = 5000
JSON: Final = "application/json"
_PAGE: Final = re.compile(r"/(?P<owner>[^/]+)/(?P<repo>[^/]+)/releases/download/(?P<tag>.+)/(?P<name>[^/]+)")


@dataclass
class Limits:
    """The rate limits. `remaining` requests are left until `reset` (seconds since 1970); a 304 is free.

    `secondary` requests are refused with ``Retry-After: retry_after`` before anything else.
    """

    remaining: int = LIMIT
    reset: int = 0
    secondary: int = 0
    retry_after: int = 60
    used: int = 0


class FakeGitHub(Faulty):
    """GitHub's releases on 127.0.0.1; a context manager.

    Args:
        ghes: whether it is a GitHub Enterprise Server: one host, with ``/api/v3`` and ``/api/uploads``.
        latency: seconds before each answer of the API.
        strict: whether requests and answers are checked (the benchmark does without).

    Attributes:
        token, read_token: bearer tokens that may write, or read only; anything else is 401.
        requests: everything that came to the API and the uploads; paths, also those of faults, without the GHES prefix.
        violations: what was not as GitHub describes it.
    """

    def __init__(self, *, ghes: bool = False, latency: float = 0.0, strict: bool = True) -> None:
        super().__init__()
        self.token, self.read_token = "ghp_write0123456789", "ghp_read0123456789"
        self.latency = latency
        self.limits = Limits(reset=int(time.time()) + 3600)
        self.violations: list[str] = []
        self.clock = Clock()
        self._strict = strict
        self._repositories: dict[str, Repository] = {}
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fake-github-")))
        self.storage = ReleaseServer(self._folder, listing=None)
        api = Listener(("127.0.0.1", 0), _handler_for(self, uploads=ghes, api=True))
        uploads = api if ghes else Listener(("127.0.0.1", 0), _handler_for(self, uploads=True, api=False))
        self._listeners = {api, uploads}
        origins = [f"http://127.0.0.1:{each.server_address[1]}" for each in (api, uploads)]
        prefixes = ("/api/v3", "/api/uploads") if ghes else ("", "")
        self.places = Places(origins[0] + prefixes[0], origins[1] + prefixes[1], origins[0], self.storage.url)
        self.contract = Contract(self.places.api, self.places.uploads)

    @property
    def api_url(self) -> str:
        """The API's address, as `GITHUB_API_URL` has it."""
        return self.places.api

    def __enter__(self) -> Self:
        self._stack.enter_context(self.storage)
        for listener in self._listeners:
            threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()
        leaked = [each.path for each in self.storage.requests if "authorization" in each.headers]
        self._stack.close()
        assert kind is not None or not leaked, f"a token was sent to the storage: {leaked}"
        assert kind is not None or not self.violations, "\n".join(self.violations)

    def add_repository(self, full_name: str, *, private: bool = False, immutable_releases: bool = False) -> Repository:
        """A new, empty repository ``owner/name``."""
        made = Repository(full_name, self.places, self.clock, self._folder, private, immutable_releases)
        self._repositories[full_name.lower()] = made
        return made

    def answer(self, request: Request, url: str, body: bytes, *, uploads: bool, fault: Fault) -> Reply:
        """What GitHub answers, rate limits and conditions included."""
        with self._lock:
            try:
                reply = self._refused() or self._found(request, url, body, uploads=uploads, fault=fault)
            except Failure as failure:
                reply = failure.reply
            return self._limited(request, reply)

    def check(self, asked: Asked, answered: Answered) -> None:
        """Note what is not as GitHub describes it."""
        if self._strict:
            with self._lock:
                problem = self.contract.problem(asked, answered)
                self.violations += [problem] if problem else []

    def _refused(self) -> Reply | None:
        if self.limits.secondary > 0:
            self.limits.secondary -= 1
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            return Reply(403, {"message": message}, {"Retry-After": str(self.limits.retry_after)})
        if self.limits.remaining <= 0:
            return Reply(403, {"message": "API rate limit exceeded for 127.0.0.1."})
        return None

    def _found(self, request: Request, url: str, body: bytes, *, uploads: bool, fault: Fault) -> Reply:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind and (kind.lower() not in ("bearer", "token") or token not in (self.token, self.read_token)):
            raise Failure(401, "Bad credentials")
        for method, pattern, operation in (*(UPLOADS if uploads else ()), *ROUTES):
            match = pattern.fullmatch(request.path)
            if match is None or method != request.method:
                continue
            repository = self._repositories.get(f"{match['owner']}/{match['repo']}".lower())
            if repository is None or (repository.private and not token):
                raise Failure(404, "Not Found")
            if method != "GET" and token != self.token:
                raise Failure(403 if token else 401, "Resource not accessible by personal access token")
            part, query = match.groupdict().get("part") or "", dict(parse_qsl(request.query))
            broken = fault.drop or (fault.status or 0) >= 500
            return operation(
                Call(repository, token == self.token, part, query, request.headers, body, url, broken=broken)
            )
        return self._browsed(request)

    def _browsed(self, request: Request) -> Reply:
        """A download by a browser, which knows no token: for public repositories only."""
        match = _PAGE.fullmatch(request.path)
        repository = self._repositories.get(f"{match['owner']}/{match['repo']}".lower()) if match else None
        release = repository.release(match["tag"]) if match and repository and not repository.private else None
        asset = release.named(match["name"]) if match and release else None
        if repository is None or asset is None or asset.state != "uploaded":
            raise Failure(404, "Not Found")
        return Reply(302, headers={"Location": signed(repository, asset)})

    def _limited(self, request: Request, reply: Reply) -> Reply:
        """The answer with its ETag and the rate limit; a 304 instead where the caller has it, which costs nothing."""
        if request.method == "GET" and reply.status == 200:
            tag = f'W/"{hashlib.sha256(reply.body).hexdigest()}"'
            known = request.headers.get("if-none-match")
            reply.headers["ETag"] = tag
            if known is not None and known.removeprefix("W/") == tag.removeprefix("W/"):
                reply = Reply(304, headers=reply.headers)
        if reply.status != 304 and self.limits.remaining > 0:
            self.limits.remaining -= 1
            self.limits.used += 1
        limits = {"Limit": LIMIT, "Remaining": self.limits.remaining, "Reset": self.limits.reset}
        reply.headers |= {f"X-RateLimit-{name}": str(value) for name, value in limits.items()}
        return reply


def _handler_for(github: FakeGitHub, *, uploads: bool, api: bool) -> type[BaseHTTPRequestHandler]:
    class Bound(_Handler):
        fake = github
        has_uploads = uploads
        has_api = api

    return Bound


class _Handler(BaseHTTPRequestHandler):
    fake: FakeGitHub
    has_uploads: bool
    has_api: bool
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Part of BaseHTTPRequestHandler; every method comes here."""
        raw, _, query = self.path.partition("?")
        path = re.sub(r"^/api/(v3|uploads)(?=/)", "", raw)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, unquote(path), query, headers)
        fault = self.fake.note(request)
        body = self._body()
        self.fake.storage.pause(self.fake.latency + fault.stall)
        origin = f"http://{self.headers.get('Host')}"
        reply = self.fake.answer(request, origin + raw, body, uploads=self._is_upload(raw), fault=fault)
        if fault.drop:
            self.close_connection = True
            return
        if fault.status is not None:
            reply = Reply(fault.status, {"message": "Server Error"}, {})
        elif raw == path or raw.startswith("/api/"):
            self._check(request, origin, raw, body, reply)
        self._send(reply, fault)

    do_POST = do_PATCH = do_DELETE = do_PUT = do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def _is_upload(self, raw: str) -> bool:
        return self.has_uploads and (not self.has_api or raw.startswith("/api/uploads/"))

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size + 2)[:-2])
        self.rfile.readline()
        return b"".join(pieces)

    def _check(self, request: Request, origin: str, raw: str, body: bytes, reply: Reply) -> None:
        if "/repos/" not in raw:
            return
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        query: Mapping[str, str] = dict(parse_qsl(request.query))
        asked = Asked(origin, raw, request.method, query, request.headers, body or None, kind)
        self.fake.check(asked, Answered(reply.status, JSON, reply.headers, reply.body or None))

    def _send(self, reply: Reply, fault: Fault) -> None:
        body = fault.body if fault.body is not None else reply.body
        headers = {"Content-Length": str(len(body)), "Content-Type": JSON, **reply.headers}
        if reply.status in (204, 304):
            del headers["Content-Length"]
        self.send_response_only(reply.status)
        for name, value in {**headers, "Date": self.date_time_string(), **fault.headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        end = len(body) if fault.cut_after is None else fault.cut_after
        for start in range(0, min(end, len(body)), fault.chunk):
            self.wfile.write(body[start : min(start + fault.chunk, end)])
            self.wfile.flush()
            self.fake.storage.pause(fault.delay)
        self.close_connection = self.close_connection or fault.cut_after is not None
