"""The system calls that change something, and a filter of the kernel's that reports them before they are executed.

A filter (https://docs.kernel.org/userspace-api/seccomp_filter.html) is inherited by all threads, children and programs,
whatever user they become, and whoever has its listener is asked about each of these calls, one after the other.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
from typing import Final, NamedTuple

_TABLE: Final = """
open       2 p0 has 1,  creat     85 p0,        openat   257 p1 has 2,  openat2  437 p1
write      1 f0,        pwrite64  18 f0,        writev    20 f0,        pwritev  296 f0,    pwritev2 328 f0
rename    82 p0 p1,     renameat 264 p1 p3,     renameat2 316 p1 p3
unlink    87 p0,        unlinkat 263 p1,        rmdir     84 p0
link      86 p0 p1,     linkat   265 p1 p3,     symlink   88 p1,        symlinkat 266 p2
mkdir     83 p0,        mkdirat  258 p1,        mknod    133 p0,        mknodat  259 p1
chmod     90 p0,        fchmod    91 f0,        fchmodat 268 p1,        fchmodat2 452 p1
chown     92 p0,        fchown    93 f0,        lchown    94 p0,        fchownat 260 p1
utime    132 p0,        utimes   235 p0,        utimensat 280 p1,       futimesat 261 p1
truncate  76 p0,        ftruncate 77 f0,        fallocate 285 f0
fsync     74 f0,        fdatasync 75 f0,        sync_file_range 277 f0, syncfs   306 f0
copy_file_range 326 f2, sendfile  40 f0,        ioctl     16 f0 is 1
setxattr 188 p0,        lsetxattr 189 p0,       fsetxattr 190 f0
removexattr 197 p0,     lremovexattr 198 p0,    fremovexattr 199 f0
mount    165 p1,        umount2  166 p0
kill      62 not 1,     tkill    200 not 1,     tgkill   234 not 2,     pidfd_send_signal 424 not 1
"""
"""Name, number (of x86_64), and which arguments are a path (`p`) or a file's descriptor (`f`).

Of some not all are reported: only opening to write, cloning, and signals that are one.
"""

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FICLONE, _FICLONERANGE = 0x40049409, 0x4020940D


class Call(NamedTuple):
    """A system call.

    Attributes:
        name: its name.
        paths: the arguments that are paths, each with that of the directory it is relative to; -1: the working one.
        files: the arguments that are descriptors.
    """

    name: str
    paths: tuple[tuple[int, int], ...] = ()
    files: tuple[int, ...] = ()

    @property
    def signals(self) -> bool:
        """Whether it sends a signal, for which no disk has to answer."""
        return not self.paths and not self.files

    @property
    def opens(self) -> bool:
        """Whether it needs a descriptor more."""
        return self.name.startswith(("open", "creat"))

    @property
    def allocates(self) -> bool:
        """Whether a full disk would refuse it."""
        return not self.signals and not self.name.startswith(("unlink", "rmdir", "removex", "lremove", "fremove"))


def _read(entry: str) -> tuple[int, Call, tuple[str, int] | None]:
    name, number, *words = entry.split()
    condition = (words[-2], int(words[-1])) if words[-1].isdigit() else None
    relative = name.endswith(("at", "at2"))
    paths = tuple(int(word[1:]) for word in words if word[0] == "p")
    files = tuple(int(word[1:]) for word in words if word[0] == "f")
    return int(number), Call(name, tuple((path, path - 1 if relative else -1) for path in paths), files), condition


_ENTRIES: Final = [_read(entry) for entry in re.split(r"[,\n]", _TABLE) if entry.strip()]
CALLS: Final = {number: call for number, call, _ in _ENTRIES}
_CONDITIONS: Final = {number: condition for number, _, condition in _ENTRIES if condition is not None}

# https://docs.kernel.org/networking/filter.html: load a word, jump if equal, jump if a bit is set, return.
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_X86_64: Final = 0xC000003E
_SYSCALL_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 317, 1, 8, 32
_PR_SET_NO_NEW_PRIVS: Final = 38


def missing() -> str:
    """Why calls cannot be reported here; empty if they can."""
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    if platform.machine() != "x86_64":
        return f"the numbers of {platform.machine()}'s system calls are not in the table"
    return "" if release >= (5, 19) else f"Linux {platform.release()} reports a call again after a signal"


def report_calls() -> int:
    """From now on this process and all that it starts are asked about; returns the listener."""
    code = _program()
    buffer = ctypes.create_string_buffer(code)
    filters = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot renounce privileges")
    listener: int = libc.syscall(_SYSCALL_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, filters)
    if listener < 0:
        raise OSError(ctypes.get_errno(), f"cannot report calls: {os.strerror(ctypes.get_errno())}")
    return listener


def _program() -> bytes:
    def one(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_so, if_not, value)

    ask, allow = one(_RETURN, _ASK), one(_RETURN, _ALLOW)
    program = one(_LOAD, 4) + one(_EQUAL, _X86_64, 1) + allow + one(_LOAD, 0)
    for number in CALLS:
        asked = ask
        if number in _CONDITIONS:
            word, argument = _CONDITIONS[number]
            asked = one(_LOAD, 16 + 8 * argument)
            if word == "has":
                asked += one(_ANY_BIT, _WRITING, 0, 1) + ask + allow
            elif word == "is":
                asked += one(_EQUAL, _FICLONE, 1) + one(_EQUAL, _FICLONERANGE, 0, 1) + ask + allow
            else:
                asked += one(_EQUAL, 0, 1) + ask + allow
        program += one(_EQUAL, number, 0, len(asked) // 8) + asked
    return program + allow
