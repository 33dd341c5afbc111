"""What a run has changed on the disk and not synced yet, at each moment: from its system calls, as `strace` tells them.

A directory that got or lost a name is unsynced as much as a file that was written. A rename takes what is unsynced
along. `fsync` makes one thing durable, `syncfs` and `sync` everything: the hosts of tests lie on one file system.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

CALLS: Final = (
    "open,openat,write,pwrite64,writev,pwritev,copy_file_range,sendfile,ftruncate,truncate,fallocate,"
    "mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,"
    "chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,utimensat,setxattr,lsetxattr,fsetxattr,"
    "fsync,fdatasync,syncfs,sync,execve"
)
"""The calls that are looked at, for `strace --trace`."""

_LINE: Final = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<(.*?)>)?(?: .*)?$")
_CUT: Final = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
_REST: Final = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
_ARGUMENT: Final = re.compile(r'(AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>|"((?:[^"\\]|\\.)*)"')
_WRITTEN: Final = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "copy_file_range", "sendfile", "ftruncate", "fallocate"}
    | {"fchmod", "fchown", "fsetxattr"}
)
"""By a descriptor."""

_BYTES: Final = _WRITTEN - {"fchmod", "fchown", "fsetxattr"} | {"open", "openat", "truncate"}
"""Those which change what is in a file."""

_CHANGED: Final = frozenset(
    {"truncate", "chmod", "fchmodat", "chown", "lchown", "fchownat", "utimensat", "setxattr", "lsetxattr"}
)
_NAMED: Final = frozenset({"mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat"})
_GONE: Final = frozenset({"rmdir", "unlink", "unlinkat"})


class Unsynced:
    """Reads the lines of a trace (``strace --follow-forks --decode-fds=path``) one after the other.

    Args:
        root: what lies elsewhere is not looked at.
        service: what stands in the command line of a process that nobody waits for: what it writes is its own matter.

    Attributes:
        early: names that a rename gave to a file before its bytes were synced: a power cut may leave such a name with
            nothing behind it, and nothing of what it named before.
    """

    def __init__(self, root: Path, service: str) -> None:
        self._root, self._service = str(root), service
        self._services: set[str] = set()
        self._found: dict[str, str] = {}
        self.early: set[str] = set()
        self._cwd: dict[str, str] = {}

    def at_points(self, lines: Iterable[str], points: Path) -> Iterator[tuple[str, dict[str, str]]]:
        """For each line that was written into the file `points`: the line, what is unsynced then, and by which call."""
        for pid, call, arguments, result, opened in _calls(lines):
            words = list(self._words(pid, call, arguments))
            if call == "write" and words[0] == str(points):
                yield words[1].removesuffix("\\n"), dict(self._found)
            elif call == "execve":
                if self._service in arguments:
                    self._services.add(pid)
            elif not result.startswith("-") and pid not in self._services:
                self._account(call, words, opened, arguments)

    def _account(self, call: str, words: list[str], opened: str, arguments: str) -> None:
        if call in ("sync", "syncfs"):
            self._found.clear()
        elif call in ("fsync", "fdatasync"):
            self._found.pop(words[0], None)
        elif call in ("open", "openat"):
            made = (os.path.dirname(opened),) if "O_CREAT" in arguments else ()
            self._dirty(call, *made, *((opened,) if made or "O_TRUNC" in arguments else ()))
        elif call in _WRITTEN:
            self._dirty(call, words[1] if call == "copy_file_range" else words[0])
        elif call in _CHANGED:
            self._dirty(call, words[-1])
        elif call in _NAMED:
            self._dirty(call, os.path.dirname(words[-1]))
        elif call in _GONE:
            self._take(words[-1])
            self._dirty(call, os.path.dirname(words[-1]))
        else:
            self._rename(words[-2], words[-1], exchanged="RENAME_EXCHANGE" in arguments)

    def _rename(self, source: str, dest: str, *, exchanged: bool) -> None:
        there = self._take(dest)
        here = self._take(source)
        if here.get("", "") in _BYTES:
            self.early.add(dest)
        self._found.update({dest + rest: call for rest, call in here.items()})
        if exchanged:
            self._found.update({source + rest: call for rest, call in there.items()})
        self._dirty("rename", os.path.dirname(source), os.path.dirname(dest))

    def _take(self, path: str) -> dict[str, str]:
        below = {each: call for each, call in self._found.items() if each == path or each.startswith(f"{path}/")}
        for each in below:
            del self._found[each]
        return {each.removeprefix(path): call for each, call in below.items()}

    def _dirty(self, call: str, *paths: str) -> None:
        self._found.update({path: call for path in paths if path.startswith(f"{self._root}/")})

    def _words(self, pid: str, call: str, arguments: str) -> Iterator[str]:
        """Paths and texts of a call; where a name stands behind the directory that it is in, both are one."""
        base = ""
        for descriptor, path, text in _ARGUMENT.findall(arguments):
            if descriptor == "AT_FDCWD":
                self._cwd[pid] = path
            if call in _WRITTEN or call in ("fsync", "fdatasync", "syncfs"):
                yield path or text
            elif descriptor:
                if base:
                    yield base  # it was no directory, but what is meant
                base = path
            else:
                yield os.path.normpath(os.path.join(base or self._cwd.get(pid, ""), text))
                base = ""
        if base:
            yield base


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str, str, str, str]]:
    """Process, name, arguments, result and what was opened, of each call; those that others cut in two are joined."""
    begun: dict[str, str] = {}
    for line in lines:
        if cut := _CUT.match(line):
            begun[cut[1]] = cut[2]
            continue
        rest = _REST.match(line)
        whole = f"{rest[1]} {begun.pop(rest[1], '')}{rest[2]}" if rest else line
        if found := _LINE.match(whole):
            yield found[1], found[2], found[3], found[4], found[5] or ""
