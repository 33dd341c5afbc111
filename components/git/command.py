"""How git is called here: on one repository, by its owner, without questions, hooks and background work.

The repository is always named (``--git-dir``): a checkout whose ``.git`` is missing must not make git find another one
further up. Git runs as the user whom the repository belongs to, by ``setpriv`` where the updater is root: files keep
their owner, nothing that somebody wrote into ``.git/config`` runs as root, and git has no reason to refuse
(``safe.directory``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fsm.adapter import CommandResult
from fsm.errors import CommandFailed, PlanError
from fsm.model import Seconds
from fsm.services import Runner
from fsm.shell import Shell
from fsm.sources.git import environment, last_line, outside

_SETTINGS: Final = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
}

_COMMIT: Final = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$", re.MULTILINE)


@dataclass(frozen=True)
class Owner:
    """The user as whom git runs.

    Attributes:
        home: the user's home directory, where git finds its configuration and ssh its keys.
        named: whether the system knows the user's groups.
    """

    uid: int
    gid: int
    home: str
    named: bool

    @property
    def prefix(self) -> list[str]:
        """The beginning of a command line that runs as this user."""
        groups = "--init-groups" if self.named else "--clear-groups"
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", groups, "--"]


def owner_of(place: Path) -> Owner | None:
    """The user whom something belongs to; None where that is the updater's own.

    Raises:
        PlanError: it is somebody else's, and this user cannot become them.
    """
    import pwd  # noqa: PLC0415 - Windows imports this module and has none

    status = place.stat()
    if status.st_uid == os.geteuid():
        return None
    try:
        entry = pwd.getpwuid(status.st_uid)
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:
        name, home = f"user {status.st_uid}", ""
    if os.geteuid() != 0:
        raise PlanError(
            f"cannot use the repository {place}",
            f"it belongs to {name}, and git trusts only repositories of the user who calls it (safe.directory)",
            f"run the updater as root or as {name}, or `chown -R` the checkout to the updater's user",
        )
    return Owner(status.st_uid, status.st_gid, home or "/", named=bool(home))


@dataclass(frozen=True)
class Git:
    """Git on one repository.

    Attributes:
        runner: runs children.
        directory: the repository: a directory, or a ``.git`` file that leads to one.
        work: the checkout.
        owner: as whom it runs; None: as the updater's user.
        secrets: settings of git that are in its environment and nowhere else.
    """

    runner: Runner
    directory: Path
    work: Path
    owner: Owner | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def run(self, *args: str, timeout: Seconds | None = None) -> CommandResult:
        """Run a git command; returns its exit code, whatever it is."""
        where = [f"--git-dir={self.directory}", f"--work-tree={self.work}"]
        argv = [*outside(os.environ), *self._as_owner(), "git", *where, *args]
        home = {"HOME": self.owner.home} if self.owner else {}
        cwd = self.work if self.work.is_dir() else Path("/")
        environ = {"GIT_OPTIONAL_LOCKS": "0", **home, **environment({**_SETTINGS, **self.secrets})}
        return self.runner.run(argv, cwd=cwd, env=environ, timeout=timeout)

    def must(self, what: str, *args: str, timeout: Seconds | None = None) -> CommandResult:
        """Run a git command that has to succeed.

        Args:
            what: what it is for, as in ``cannot <what>``.
            args: the command.
            timeout: seconds.

        Raises:
            CommandFailed: it ended with another code than 0; the message has what git said last.
        """
        result = self.run(*args, timeout=timeout)
        if result.code != 0:
            raise CommandFailed(f"cannot {what}", f"git {args[0]} ended with {result.code}: {last_line(result.tail)}")
        return result

    def ok(self, *args: str) -> bool:
        """Whether a git command ends with 0."""
        return self.run(*args).code == 0

    def commit(self, name: str) -> str | None:
        """The commit that a name leads to, as far as refs tell; None where it leads nowhere."""
        result = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        found = _COMMIT.findall(result.tail) if result.code == 0 else []
        return str(found[-1]) if found else None

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit."""
        return self.ok("cat-file", "-e", f"{commit}^{{commit}}")

    def listing(self, scratch: Path, what: str, *args: str) -> list[str]:
        """The entries that a command of the ``git diff`` family writes with ``-z``, however many.

        Args:
            scratch: a directory of ours, for the file that git writes.
            what: what it is for.
            args: the command; ``-z`` and ``--output`` are added behind its first word.
        """
        path = self.hand_over(scratch) / "listing"
        path.unlink(missing_ok=True)
        self.must(what, args[0], "-z", f"--output={path}", *args[1:])
        data = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        return [os.fsdecode(entry) for entry in data.split(b"\0") if entry]

    def hand_over(self, directory: Path) -> Path:
        """Make a directory that git's user may write to; nobody else may look into it."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.owner is not None:
            os.chown(directory, self.owner.uid, self.owner.gid)
        return directory

    def _as_owner(self) -> list[str]:
        return self.owner.prefix if self.owner else []


class Looking:
    """Runs children where there is no run: nothing is journaled, and a deadline ends every child."""

    def __init__(self, timeout: Seconds = 30.0) -> None:
        self._timeout = timeout
        self._shell = Shell(marker=f"looking.{os.getpid()}", record=lambda child: None, poll=self.check)

    def check(self) -> None:
        """Go on: nobody asks to stop."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: Seconds | None = None,
    ) -> CommandResult:
        """Run a child until it ends or a deadline kills it."""
        return self._shell.run(argv, cwd=cwd, env=env, timeout=timeout or self._timeout)
