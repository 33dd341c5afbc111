"""What a child process writes: the end of it in memory, a bounded part of it on disk, secrets masked in both.

A child that prints 200 MB costs 64 KiB of memory here. The pipe is read by the thread that waits for the child, so
nothing keeps reading from a grandchild that inherited it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from fsm.system import private

TAIL: Final = 64 * 1024
"""Bytes of the output's end that are kept in memory and handed on."""

FILE_LIMIT: Final = 16 * 1024 * 1024
"""Bytes at which the output file counts as full; one older file of that size is kept beside it."""

_CHUNK: Final = 64 * 1024
_MASK: Final = b"***"
_rotating = threading.Lock()


class Redactor:
    """Replaces secrets by ``***`` in a stream, also where a secret is split between two chunks.

    Args:
        secrets: the texts to hide; empty ones are ignored.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        # The longest first: of two secrets that begin alike, the longer one must win.
        found = sorted({os.fsencode(secret) for secret in secrets if secret}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, found))) if found else None
        self._keep = len(found[0]) - 1 if found else 0
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next chunk; returns what is certain by now."""
        if self._pattern is None:
            return chunk
        data = self._held + chunk
        # A match that begins before `certain` was seen with everything that could make it a longer one.
        certain = max(len(data) - self._keep, 0)
        parts, position = [], 0
        for match in self._pattern.finditer(data):
            if match.start() >= certain:
                break
            parts += [data[position : match.start()], _MASK]
            position = match.end()
        parts.append(data[position : max(certain, position)])
        self._held = data[max(certain, position) :]
        return b"".join(parts)

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        held, self._held = self._held, b""
        return held if self._pattern is None else self._pattern.sub(_MASK, held)

    def text(self, text: str) -> str:
        """A whole text without the secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(_MASK, text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


class Sink:
    """Keeps the end of what is written, and a bounded part of it in a file.

    Args:
        redactor: hides the secrets.
        place: the file to append to, a descriptor that leads to one, or None. It is written as long as that works: a
            full disk changes nothing.
        title: one line above the output in the file.
    """

    def __init__(self, redactor: Redactor, place: Path | int | None = None, title: str = "") -> None:
        self._redactor = redactor
        self._ring = bytearray()
        self._unwritten = FILE_LIMIT // 2
        self._file = os.dup(place) if isinstance(place, int) else None if place is None else _open_for_append(place)
        self._write(redactor.text(f"$ {title}\n").encode("utf-8", "replace"))

    def take(self, data: bytes) -> None:
        """More of the output."""
        self._take(self._redactor.feed(data))

    def finish(self) -> None:
        """Take what was held back because it could have become a secret: nothing more is to come."""
        self._take(self._redactor.flush())

    def close(self) -> None:
        """Close the file; `tail` and `last_line` stay readable."""
        self.finish()
        if self._file is not None:
            if self._unwritten <= 0:
                self._unwritten = TAIL * 2
                self._write(b"\n[... left out, this is how it ended ...]\n" + self._ring[-TAIL:])
            os.close(self._file)

    def tail(self) -> str:
        """The last 64 KiB."""
        return self._ring[-TAIL:].decode("utf-8", "replace")

    def last_line(self) -> str:
        """The last line with something in it, cut to a length that fits a message; empty when there is none."""
        lines = [line.strip() for line in self._ring[-4096:].decode("utf-8", "replace").splitlines()]
        return next((line[-300:] for line in reversed(lines) if line), "")

    def _take(self, data: bytes) -> None:
        self._ring += data
        if len(self._ring) > 2 * TAIL:
            del self._ring[:-TAIL]
        self._write(data)

    def _write(self, data: bytes | bytearray) -> None:
        if self._file is None or self._unwritten <= 0:
            return
        try:
            os.write(self._file, data[: self._unwritten])
        except OSError:  # a full disk: the run does not depend on its log
            os.close(self._file)
            self._file = None
        self._unwritten -= len(data)


class Output(Sink):
    """A pipe whose write end a child gets as stdout and stderr; what comes through it is kept as `Sink` keeps it.

    Attributes:
        read_end, write_end: the descriptors of the pipe; close the write end once the child has it.
    """

    def __init__(self, redactor: Redactor, place: Path | int | None = None, title: str = "") -> None:
        super().__init__(redactor, place, title)
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)

    def drain(self) -> bool:
        """Read what is there, at most 1 MiB at a time, without waiting; False at the end of the output."""
        for _ in range(16):
            try:
                chunk = os.read(self.read_end, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self.take(chunk)
        return True

    def close(self) -> None:
        """Close the pipe and the file."""
        os.close(self.read_end)
        self.close_write_end()
        super().close()

    def close_write_end(self) -> None:
        """Leave the write end to the child alone, so that the output ends when the child does."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1


def _open_for_append(path: Path) -> int | None:
    """A descriptor at the end of the output file, which is set aside first when it is half full."""
    with suppress(OSError), _rotating:  # the run does not depend on its log
        private.directory(path.parent)
        if path.exists() and path.stat().st_size > FILE_LIMIT // 2:
            path.replace(path.with_name(path.name + ".1"))
        return private.opened(path, os.O_WRONLY | os.O_APPEND)
    return None


def said_last(text: str, most: int) -> str:
    """The end of what a program wrote, on one line for a message; of a Python traceback only what was raised.

    Args:
        text: its output, or the end of it.
        most: characters.
    """
    lines, in_frames = [], False
    for line in text.splitlines():
        if line.endswith("Traceback (most recent call last):"):
            in_frames = True
        elif not in_frames or not line[:1].isspace():
            in_frames = False
            lines.append(line)
    return " ".join(" ".join(lines).split())[-most:]
