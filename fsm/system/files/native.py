"""The system calls that Python has no function for. Nothing is imported or looked up before the first call."""

from __future__ import annotations

import errno
import functools
import os
import platform
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ctypes

AT_FDCWD: Final = -100
RENAME_EXCHANGE: Final = 1 << 1
RENAME_SWAP: Final = 0x00000002
"""macOS's name for the same thing (renameatx_np): sys/stdio.h."""

_RENAMEAT2: Final = {
    "x86_64": 316,
    "aarch64": 276,
    "riscv64": 276,
    "loongarch64": 276,
    "armv7l": 382,
    "armv6l": 382,
    "i686": 353,
    "i386": 353,
    "ppc64le": 357,
    "s390x": 347,
}
"""The call's number by machine, for a libc without a wrapper (musl before 1.2.6, glibc before 2.28)."""


@functools.cache
def _libc() -> ctypes.CDLL:
    import ctypes  # noqa: PLC0415 - 10 ms, only for those who exchange or sync

    return ctypes.CDLL(None, use_errno=True)


def exchange_names(first: bytes, second: bytes, here: int = AT_FDCWD, there: int = AT_FDCWD) -> None:
    """Exchange two directory entries in one step.

    Args:
        first: a name, relative to `here`.
        second: another one, relative to `there`.
        here, there: open directories; by default the current one.

    Raises:
        OSError: with the kernel's own errno; ENOSYS where the platform has no such call.
    """
    if number := _exchanger()(first, second, here, there):
        raise OSError(number, os.strerror(number), os.fsdecode(first), None, os.fsdecode(second))


_Exchanger = Callable[[bytes, bytes, int, int], int]


def _exchanger() -> _Exchanger:
    if sys.platform == "darwin":  # pragma: no cover - macOS only
        import ctypes  # noqa: PLC0415 - as above

        call = _libc().renameatx_np
        return lambda first, second, here, there: _errno(
            call, _macos(here), first, _macos(there), second, ctypes.c_uint(RENAME_SWAP)
        )
    if sys.platform != "linux":  # pragma: no cover - neither Linux nor macOS
        return _missing
    return linux_exchanger(_libc(), platform.machine())


def _macos(directory: int) -> int:  # pragma: no cover - macOS only
    return -2 if directory == AT_FDCWD else directory


def linux_exchanger(libc: ctypes.CDLL, machine: str) -> _Exchanger:
    """The exchange by a libc: through its `renameat2`, or through `syscall` where it has none.

    Args:
        libc: the C library, loaded with ``use_errno``.
        machine: what `platform.machine` says, to look up the number of the call.

    Returns:
        A function of the two names and their directories; it returns 0, or the errno.
    """
    import ctypes  # noqa: PLC0415 - as above

    try:
        rename = libc.renameat2
        prefix: tuple[ctypes.c_long, ...] = ()
    except AttributeError:
        if machine not in _RENAMEAT2:
            return _missing
        rename, prefix = libc.syscall, (ctypes.c_long(_RENAMEAT2[machine]),)
    number, text = ctypes.c_int, ctypes.c_char_p
    return lambda first, second, here, there: _errno(
        rename, *prefix, number(here), text(first), number(there), text(second), ctypes.c_uint(RENAME_EXCHANGE)
    )


def _missing(_first: bytes, _second: bytes, _here: int, _there: int) -> int:
    return errno.ENOSYS


def _errno(call: Callable[..., int], *arguments: object) -> int:
    """Call into the C library; 0, or what it left in errno."""
    import ctypes  # noqa: PLC0415 - as above

    ctypes.set_errno(0)
    return ctypes.get_errno() if call(*arguments) != 0 else 0


def sync_file_system(descriptor: int) -> bool:
    """Write out the file system that an open file lies on.

    Returns:
        False where the platform has no such call.

    Raises:
        OSError: something could not be written (Linux 5.8 and later say so).
    """
    if sys.platform != "linux":  # pragma: no cover - Linux only
        return False
    if number := _errno(_libc().syncfs, descriptor):
        raise OSError(number, os.strerror(number))
    return True
