"""What an attacker puts where the updater will look: each kind replaces what is there, once.

A plant is tried with the rights of the attacker and gives up quietly: what it may not do is what protects the host.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.boundary import hostile
from tests.boundary.armoury import MODULES, NAMES
from tests.boundary.canary import OPEN, STICKY

_SPARSE: Final = 1 << 40
_DEEP: Final = 300


class Arms:
    """What plants are made of.

    Args:
        canary: the canary's directory.
        program, module: of the armoury.
        neighbour: the other component's tree.
        secrets: further files that only root may read.
    """

    def __init__(self, canary: Path, program: Path, module: Path, neighbour: Path, secrets: tuple[Path, ...]) -> None:
        self.canary, self.program, self.module = canary, program, module
        self.targets: Final = {
            "a file": canary / "file",
            "a secret": canary / "secret",
            "an open file": canary / OPEN,
            "a directory": canary / "dir",
            "a private directory": canary / "private",
            "an empty directory": canary / "empty",
            "a sticky directory": canary / STICKY,
            "nothing yet": canary / "new",
            "nothing yet, deep": canary / "new" / "deep",
            "a program": canary / "program",
            "a fifo": canary / "fifo",
            "a device": Path("/dev/zero"),
            "an environment": Path("/proc/self/environ"),
            "the neighbour's tree": neighbour,
            "the neighbour's file": neighbour / ".env",
            **{f"a secret of the host's ({path.name})": path for path in secrets},
        }


def link(path: Path, target: Path) -> None:
    """A link."""
    _away(path)
    path.symlink_to(target)


def filled_link(path: Path, arms: Arms) -> None:
    """A link into a sticky directory of root's, in which there is what was here."""
    moved = arms.canary / STICKY / f"{path.name}-{os.getpid()}"
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, moved, symlinks=True)
    else:
        shutil.copyfile(path, moved)
    link(path, moved)


def fifo(path: Path, arms: Arms) -> None:
    """A fifo that nobody writes to."""
    _away(path)
    os.mkfifo(path, 0o666)


def device(path: Path, arms: Arms) -> None:
    """A device; where the kernel does not let the attacker make one, a link to one."""
    _away(path)
    try:
        os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def hard_link(path: Path, arms: Arms) -> None:
    """A second name of a file of root's that everybody may write."""
    _away(path)
    os.link(arms.canary / OPEN, path)


def hard_link_to_secret(path: Path, arms: Arms) -> None:
    """A second name of a secret; most kernels do not let the attacker have it."""
    os.link(arms.canary / "secret", path.with_name(f"{path.name}~hard"))
    path.with_name(f"{path.name}~hard").replace(path)


def sparse(path: Path, arms: Arms) -> None:
    """A file that claims to be a terabyte."""
    _away(path)
    with path.open("wb") as file:
        file.truncate(_SPARSE)


def directory(path: Path, arms: Arms) -> None:
    """A directory with something in it, in place of whatever is there."""
    _away(path)
    path.mkdir()
    (path / "something").write_bytes(b"of the attacker's\n")


def regular(path: Path, arms: Arms) -> None:
    """A file in place of whatever is there."""
    _away(path)
    path.write_bytes(b"9.9.9\n")


def nothing(path: Path, arms: Arms) -> None:
    """Nothing."""
    _away(path)


def unix_socket(path: Path, arms: Arms) -> None:
    """A socket that nobody answers at."""
    _away(path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def locked_out(path: Path, arms: Arms) -> None:
    """What is there may not be read, not even by its owner."""
    path.chmod(0)


def everybody(path: Path, arms: Arms) -> None:
    """What is there may be written by everybody, and has the bits that give rights."""
    path.chmod(0o6777)


def program(path: Path, arms: Arms) -> None:
    """A program in place of whatever is there."""
    _away(path)
    shutil.copy(arms.program, path)


def programs(path: Path, arms: Arms) -> None:
    """In a directory, programs and modules with the names that others are looked for by."""
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder / "bin", folder / ".venv" / "bin"):
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            for name in NAMES:
                _away(place / name)
                shutil.copy(arms.program, place / name)
    for name in MODULES:
        with suppress(OSError):
            _away(folder / name)
            shutil.copy(arms.module, folder / name)


def names(path: Path, arms: Arms) -> None:
    """Names that are hostile to terminals, and one that is no text at all."""
    folder = path if path.is_dir() else path.parent
    for name in (os.fsencode(hostile.NAME), b"\xff\xfe\x1b[2J", b"-rf", b"a" * 255):
        with suppress(OSError), open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(b"of the attacker's\n")


def words(path: Path, arms: Arms) -> None:
    """Text that is hostile to terminals."""
    _away(path)
    path.write_text(hostile.NAME * 3)


def deep(path: Path, arms: Arms) -> None:
    """Directories, hundreds of them, each in the one before."""
    _away(path)
    path.mkdir()
    fd = os.open(path, os.O_RDONLY)
    for _ in range(_DEEP):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)


def crowded(path: Path, arms: Arms) -> None:
    """Thousands of entries."""
    folder = path if path.is_dir() else path.parent
    for number in range(3000):
        (folder / f"crowd-{number}").touch()


def record(path: Path, arms: Arms) -> None:
    """In a document of the updater's, every text is a path to somewhere else."""
    text = path.read_text(errors="replace")
    with suppress(ValueError):
        text = json.dumps(_elsewhere(json.loads(text), str(arms.canary / "dir")))
    lines = [line if line.startswith(("{", "[")) else f"../../../../{line}" for line in text.splitlines()]
    path.write_text("\n".join(lines))


def garbage(path: Path, arms: Arms) -> None:
    """Bytes that mean nothing."""
    path.write_bytes(bytes(range(256)) * 40)


def endless(path: Path, arms: Arms) -> None:
    """A document without an end, nearly."""
    path.write_bytes(b"[" * (8 << 20))


def _elsewhere(value: Any, place: str) -> Any:
    if isinstance(value, str):
        return place
    if isinstance(value, list):
        return [_elsewhere(one, place) for one in value]
    return {key: _elsewhere(one, place) for key, one in value.items()} if isinstance(value, dict) else value


def git_settings(path: Path, arms: Arms) -> None:
    """In a repository, settings that name programs, other files and other places."""
    folder = next(one for one in (path, *path.parents) if (one / ".git").is_dir())
    with (folder / ".git" / "config").open("a") as config:
        config.write(hostile.GIT_SETTINGS.replace("PROGRAM", str(arms.program)).replace("CANARY", str(arms.canary)))
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil merge=evil\n")
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman", "pre-auto-gc"):
        shutil.copy(arms.program, hooks / name)


def git_objects_elsewhere(path: Path, arms: Arms) -> None:
    """In a repository, directories that lead elsewhere: objects, refs, modules."""
    folder = next(one for one in (path, *path.parents) if (one / ".git").is_dir()) / ".git"
    for name in ("objects/ee", "objects/pack/x", "refs/fsm", "refs/heads/x", "logs", "modules", "worktrees", "info"):
        with suppress(OSError):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            link(folder / name, arms.canary / "dir")
    with suppress(OSError):
        (folder / "objects" / "info").mkdir(exist_ok=True)
        (folder / "objects" / "info" / "alternates").write_text(f"{arms.canary / 'private'}\n")


def compose_file(path: Path, arms: Arms) -> None:
    """A compose file and an `.env` beside it that lead to secrets, in every way that compose has for reading a file."""
    secret = arms.canary / "secret"
    with suppress(OSError):
        path.write_text(hostile.COMPOSE_FILE.replace("SECRET", str(secret)).replace("CANARY", str(arms.canary)))
    link(path.with_name(".env"), secret)


KINDS: Final[dict[str, Callable[[Path, Arms], None]]] = {
    "fifo": fifo,
    "device": device,
    "hard link": hard_link,
    "hard link to a secret": hard_link_to_secret,
    "sparse file": sparse,
    "directory": directory,
    "file": regular,
    "nothing": nothing,
    "socket": unix_socket,
    "locked out": locked_out,
    "bits for everybody": everybody,
    "program": program,
    "programs": programs,
    "hostile names": names,
    "hostile words": words,
    "deep directories": deep,
    "crowd": crowded,
    "record": record,
    "garbage": garbage,
    "endless": endless,
    "filled link": filled_link,
    "compose file": compose_file,
    "git settings": git_settings,
    "git objects elsewhere": git_objects_elsewhere,
}
"""What replaces a path, beside links to each of `Arms.targets`."""


def plant(kind: str, path: Path, arms: Arms) -> None:
    """Plant one thing, if the attacker may.

    Args:
        kind: of `KINDS`, or ``link to`` one of `Arms.targets`.
    """
    with suppress(OSError, StopIteration, shutil.Error):
        if kind in KINDS:
            KINDS[kind](path, arms)
        else:
            link(path, arms.targets[kind.removeprefix("link to ")])


def _away(path: Path) -> None:
    """Remove what is there; what cannot be removed is moved aside."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.with_name(f".{path.name}~was"))
    else:
        path.unlink(missing_ok=True)
