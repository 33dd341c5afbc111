"""The HTTP health check: tries until it gets the wanted answer, and gives every try a limit that holds.

A timeout of a socket bounds one read only: a server that sends a byte every few seconds would be waited for without
end. So each try has a thread of its own, and is given up after its limit whatever it hangs in (a name server, a
connection, a header); its connection is then shut down, which ends the thread.

That is why the client of the sources (`fsm.system.http`) is not used here. It hands out a connection that stands, and a
try must be given up in the middle of a handshake, too; it keeps connections, and each try has to reach whoever listens
now; and it takes urllib3, five times what this module loads, while the new version waits to be verified. Two rules are
the same: no redirect is followed, and no proxy of the environment is asked.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from fsm.formats.checkspec import HealthEndpoint
from fsm.model import Seconds
from fsm.services.checks.context import CheckContext, Outcome
from fsm.system.sockets import shut

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPResponse

TRY: Final[Seconds] = 5.0
"""Seconds for one try, from the name's resolution to the last byte that is read."""

BODY: Final = 64 * 1024
"""Bytes of a body in which `expected_body` is looked for."""

_QUOTED: Final = 60
_REASON: Final = 300
"""Characters of what a server said, and of an error, that a message has."""

_PAUSES: Final = (0.2, 0.3, 0.5, 1.0)
_STEP: Final = 0.05


class _Answer(NamedTuple):
    ok: bool
    told: str


def check_health(check: HealthEndpoint, ctx: CheckContext) -> Outcome:
    """Ask until the answer is the wanted one, or the time is up."""
    url = _parse(check.url)
    if isinstance(url, Outcome):
        return url
    begun = time.monotonic()
    limit = begun + min(check.timeout_seconds, ctx.remaining())
    tries = 0
    while True:
        answer = _try(check, url, ctx, min(TRY, max(limit - time.monotonic(), _STEP)))
        tries += 1
        if answer.ok:
            return Outcome(ok=True, message=f"{check.url} {answer.told}")
        pause = _PAUSES[min(tries, len(_PAUSES)) - 1]
        if time.monotonic() + pause >= limit:
            break
        ctx.runner.check()
        ctx.sleep(pause)
    spent = time.monotonic() - begun
    many = f"{tries} tries in {spent:.1f} s" if tries > 1 else f"1 try in {spent:.1f} s"
    return Outcome(ok=False, message=f"{check.url} {answer.told} ({many})")


def _parse(url: str) -> SplitResult | Outcome:
    """The address in parts, or why it cannot be asked; `fsm.formats.checkspec` has let only http and https pass."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return Outcome(ok=False, message=f"cannot ask {url}: {error}")
    return parts


def _try(check: HealthEndpoint, url: SplitResult, ctx: CheckContext, limit: Seconds) -> _Answer:
    """One try in a thread of its own, given up after `limit` seconds."""
    request = _Request(check, url, limit)
    until = time.monotonic() + limit
    threading.Thread(target=request.run, name="fsm health check", daemon=True).start()
    try:
        while time.monotonic() < until:
            with suppress(queue.Empty):
                return request.answers.get(timeout=_STEP)
            ctx.runner.check()
        return _Answer(ok=False, told=f"did not answer within {limit:.1f} s")
    finally:
        request.give_up()


class _Request:
    """One GET request, which another thread may give up at any time.

    Args:
        check: what is asked, and which answer is wanted.
        url: the same address in parts.
        timeout: seconds for each single wait of a socket.

    Attributes:
        answers: gets one answer, if there is any.
    """

    def __init__(self, check: HealthEndpoint, url: SplitResult, timeout: Seconds) -> None:
        self.answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._check = check
        self._url = url
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._given_up = False

    def run(self) -> None:
        """Send the request and judge the answer. A redirect is an answer like any other."""
        from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - 20 ms, for this check only

        try:
            self._connect()
            connection = HTTPConnection(self._url.netloc)
            connection.sock = self._socket
            target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            connection.request("GET", target, headers=_HEADERS)
            with connection.getresponse() as response:
                self.answers.put(self._judge(response))
        except (OSError, HTTPException, ValueError) as error:
            self.answers.put(_Answer(ok=False, told=_failure(error)))
        finally:
            if self._socket is not None:
                self._socket.close()

    def give_up(self) -> None:
        """Let the thread come back at once, wherever it waits (in a name's resolution, as soon as that ends)."""
        self._given_up = True
        if self._socket is not None:
            shut(self._socket)

    def _connect(self) -> None:
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port or (443 if secure else 80)
        context = _context() if secure else None
        plain = socket.create_connection((host, port), timeout=self._timeout)
        if context is None:
            self._socket = plain
        else:
            with plain:  # wrapping takes it over; what is shut down in the middle of that would be left open
                self._socket = wrapped = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            if not self._given_up:
                wrapped.do_handshake()
        if self._given_up:
            raise TimeoutError("given up while connecting")

    def _judge(self, response: HTTPResponse) -> _Answer:
        check = self._check
        if response.status != check.expected_status:
            return _Answer(ok=False, told=f"answered {response.status}, not {check.expected_status}")
        if check.expected_body is not None:
            wanted, body = check.expected_body.encode(), b""
            # Piece by piece: a server that keeps the connection open must not hide what it has said.
            while wanted not in body and len(body) < BODY and (piece := response.read1(BODY - len(body))):
                body += piece
            if wanted not in body:
                return _Answer(
                    ok=False, told=f"answered {response.status}, but without {check.expected_body!r} in its body"
                )
        return _Answer(ok=True, told=f"answered {response.status}")


def _context() -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - 10 ms, for this check only

    return ssl.create_default_context()


def _failure(error: Exception) -> str:
    """What went wrong; what is no HTTP is quoted, and not at the length that a server may choose."""
    text = str(error) or type(error).__name__
    if type(error).__name__ == "BadStatusLine":  # the class itself would have to be imported by everybody
        return f"answered, but not in HTTP: {text[:_QUOTED]!a}"
    return f"did not answer: {text[:_REASON]}"


_HEADERS: Final = {"User-Agent": "fsm-updater", "Accept": "*/*", "Connection": "close"}
