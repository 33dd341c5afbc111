"""Decompression that is bounded in memory and tells a cut-off stream from a whole one."""

from __future__ import annotations

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from fsm.errors import Unsupported
from fsm.system.archive.model import BrokenError, Kind
from fsm.system.digest import Check

_AT_ONCE: Final = 1 << 18
_AT_FIRST: Final = 1 << 12
_OUTPUT: Final = 1 << 20
_EMPTY_IN_A_ROW: Final = 1000
"""Streams without a byte in them. Some programs end each file with one, as bgzip does."""
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_XZ_MEMORY: Final = 256 << 20
"""Bytes an xz stream may make us allocate; the largest preset needs 65 MiB, a hostile header asks for 4 GiB."""


class Source(Protocol):
    """Something that bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end only."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def opened(file: BinaryIO, kind: Kind, check: Check) -> Source:
    """The tar archive inside a file, uncompressed.

    Args:
        file: the archive, open, at its beginning.
        kind: one of the tar kinds.
        check: called for each stream in it, and at least once for each MiB that is decompressed.

    Raises:
        Unsupported: it is tar.zst, and this Python has no Zstandard.
    """
    if kind == "tar":
        return file
    return _Inflated(file, _codec(kind), check)


def zstandard() -> Any:
    """The module ``compression.zstd`` of Python 3.14 (PEP 784), or its backport.

    Raises:
        Unsupported: neither is installed.
    """
    try:
        if sys.version_info >= (3, 14):  # pragma: no cover - depends on the Python that runs the tests
            from compression import zstd  # noqa: PLC0415 - only for those who have such an archive
        else:
            from backports import zstd  # noqa: PLC0415 - likewise
    except ImportError as error:  # pragma: no cover - it is one of our dependencies
        raise Unsupported(
            "cannot read or write tar.zst", "this Python has no Zstandard", "install the package backports.zstd"
        ) from error
    return zstd


class _Gzip:
    """zlib's decompressor with the manners of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full buffer can mean that more is waiting inside, even where all input was taken.
        self.needs_input = not self._zlib.unconsumed_tail and len(out) < max_length
        return out


class _Codec(NamedTuple):
    """How one stream is decompressed, and how the library says that it cannot be."""

    make: Callable[[], _Decompressor]
    errors: tuple[type[Exception], ...]


def _codec(kind: Kind) -> _Codec:
    if kind == "tar.gz":
        return _Codec(_Gzip, (zlib.error,))
    if kind == "tar.bz2":
        return _Codec(bz2.BZ2Decompressor, (OSError, ValueError))
    if kind == "tar.xz":
        return _Codec(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), (lzma.LZMAError,))
    zstd = zstandard()
    return _Codec(zstd.ZstdDecompressor, (zstd.ZstdError,))


class _Inflated:
    """A compressed file as a source of bytes. Several streams in a row are one, zeros after the last are padding.

    A stream is at first given little input: what it leaves over is copied each time, and there may be millions.
    """

    def __init__(self, file: BinaryIO, codec: _Codec, check: Check) -> None:
        self._file = file
        self._codec = codec
        self._check = check
        self._block = b""
        self._position = 0
        self._fed = _AT_FIRST
        self._made = 0
        self._empty = 0
        self._stream: _Decompressor | None = codec.make()
        self._ready = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._ready and self._stream is not None:
            self._check()
            self._ready = memoryview(self._more(self._stream))
        taken, self._ready = self._ready[:size], self._ready[size:]
        return bytes(taken)

    def _more(self, stream: _Decompressor) -> bytes:
        if stream.eof:
            self._position -= len(stream.unused_data)
            self._stream = self._next_stream()
            return b""
        data = self._input() if stream.needs_input else b""
        try:
            found = stream.decompress(data, _OUTPUT)
        except self._codec.errors as error:
            raise BrokenError(f"its compressed data is damaged ({error})") from error
        self._made += len(found)
        return found

    def _input(self) -> bytes:
        if not self._filled():
            raise BrokenError("it is truncated")
        data = self._block[self._position : self._position + self._fed]
        self._position += len(data)
        self._fed = min(self._fed * 2, _AT_ONCE)
        return data

    def _filled(self) -> bool:
        """Whether there is input; reads the next block where the last one is used up."""
        if self._position == len(self._block):
            self._block, self._position = self._file.read(_AT_ONCE), 0
        return bool(self._block)

    def _next_stream(self) -> _Decompressor | None:
        self._empty = 0 if self._made else self._empty + 1
        if self._empty > _EMPTY_IN_A_ROW:
            raise BrokenError(f"it has more than {_EMPTY_IN_A_ROW} empty streams in a row")
        self._made, self._fed = 0, _AT_FIRST
        while self._filled():
            if found := _NOT_ZERO.search(self._block, self._position):
                self._position = found.start()
                return self._codec.make()
            self._position = len(self._block)
            self._check()
        return None
