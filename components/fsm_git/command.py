"""How git is called here: on one repository, by its owner, without questions, hooks and background work.

The repository is always named (``--git-dir``): a checkout whose ``.git`` is missing must not make git find another one
further up. Git runs as the user whom the repository belongs to: files keep their owner, nothing that somebody wrote
into ``.git/config`` runs as root, and git has no reason to refuse (``safe.directory``). As a rule that is the user as
whom everything about the checkout runs; ``setpriv`` is for those whom ``run_as = "root"`` trusts like root.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fsm.adapter import CommandResult, User
from fsm.errors import CommandFailed, PlanError
from fsm.model import Seconds
from fsm.services import Runner
from fsm.sources.git import complaint, environment, outside
from fsm.sources.remotes import masked
from fsm.system import users
from fsm.system.digest import no_check
from fsm.system.exit_codes import exited
from fsm.system.shell import Asked, ask

_SETTINGS: Final = {
    "core.hooksPath": "/dev/null",
    # What git writes for us is whole after a power cut: by default it syncs neither refs nor the index (since 2.36).
    "core.fsync": "all",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
}

LONG: Final = 300.0
"""Seconds for a question that has git read much of a large repository."""

MANY: Final = 500
"""Names that fit on a command line for sure."""


def owner_of(place: Path) -> User | None:
    """The user whom something belongs to; None if that is the updater's own.

    Raises:
        PlanError: it is somebody else's, and this user cannot become them.
    """
    uid = place.stat().st_uid
    if uid == os.geteuid():
        return None
    owner = users.numbered(uid)
    if not users.can_become_others():
        raise PlanError(
            f"cannot use the repository {place}",
            f"it belongs to {owner.name}, and git trusts only repositories of the user who calls it (safe.directory)",
            f"`chown -R` the checkout to one user, or run the updater as {owner.name}",
        )
    return owner


@dataclass(frozen=True)
class Git:
    """Git on one repository.

    Attributes:
        directory: the repository: a directory, or a ``.git`` file that leads to one.
        work: the checkout.
        owner: as whom it runs; None: as the updater's user.
        runner: runs what changes something; None if only questions are asked.
        secrets: settings of git that are in its environment and nowhere else.
        index: a file to have the index in, instead of the repository's own.
        bare: whether the repository has no checkout.
        for_children: a file in place of the user's settings: gits that git calls for submodules see no others of ours.
    """

    directory: Path
    work: Path
    owner: User | None = None
    runner: Runner | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    index: Path | None = None
    bare: bool = False
    for_children: Path | None = None

    def run(self, *args: str, timeout: Seconds | None = None) -> CommandResult:
        """Run a git command that changes something, or may take long; returns its exit code, whatever it is."""
        assert self.runner is not None, "made for questions only"
        return self.runner.run(self._argv(args), cwd=self._cwd(), env=self._environment(), timeout=timeout)

    def ask(self, *args: str, timeout: Seconds = 60.0) -> Asked:
        """Run a git command that only looks; its answer goes to no log."""
        check = no_check if self.runner is None else self.runner.check
        return ask(self._argv(args), cwd=self._cwd(), env=self._environment(), timeout=timeout, check=check)

    def must(self, what: str, *args: str, timeout: Seconds | None = None) -> None:
        """Run a git command that has to succeed.

        Args:
            what: what it is for, as in ``cannot <what>``.
            args: the command.
            timeout: seconds.

        Raises:
            CommandFailed: it exited with another code than 0; the message has what git said last.
        """
        ended_well(what, args[0], self.run(*args, timeout=timeout))

    def answer(self, what: str, *args: str, timeout: Seconds = 60.0) -> bytes:
        """What a git command that only looks writes.

        Raises:
            CommandFailed: it exited with another code than 0.
        """
        asked = self.ask(*args, timeout=timeout)
        if asked.code != 0:
            raise CommandFailed(f"cannot {what}", f"git {args[0]} {exited(asked.code)}: {masked(asked.complaint)}")
        return asked.out

    def entries(self, what: str, *args: str) -> list[str]:
        """What a git command writes with ``-z``."""
        return [os.fsdecode(entry) for entry in self.answer(what, *args, timeout=LONG).split(b"\0") if entry]

    def ok(self, *args: str) -> bool:
        """Whether a git command that only looks exits with 0."""
        return self.ask(*args, timeout=LONG).code == 0

    def commit(self, name: str) -> str | None:
        """The object that a name leads to, as far as refs tell; None if it leads nowhere."""
        asked = self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        return asked.out.decode().strip() or None if asked.code == 0 else None

    def has(self, commit: str) -> bool:
        """Whether the repository has a commit."""
        return self.ok("cat-file", "-e", f"{commit}^{{commit}}")

    def has_all(self, commit: str) -> bool:
        """Whether the repository has a commit with every file of it: a power cut may keep the one and lose others."""
        return self.ok("rev-list", "--objects", "--no-walk", "--quiet", commit)

    def hand_over(self, directory: Path) -> Path:
        """Make a directory that git's user may write to; nobody else may look into it."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.owner is not None:
            os.chown(directory, self.owner.uid, self.owner.gid)
        return directory

    def _argv(self, args: Sequence[str]) -> list[str]:
        owner = _as_owner(self.owner) if self.owner else []
        where = [f"--git-dir={self.directory}", *([] if self.bare else [f"--work-tree={self.work}"])]
        return [*outside(os.environ), *owner, "git", *where, *args]

    def _cwd(self) -> Path:
        return self.work if not self.bare and self.work.is_dir() else Path("/")

    def _environment(self) -> dict[str, str]:
        home = {"HOME": self.owner.home} if self.owner else {}
        children = {"GIT_CONFIG_GLOBAL": str(self.for_children)} if self.for_children else {}
        index = {"GIT_INDEX_FILE": str(self.index)} if self.index else {}
        return {"GIT_OPTIONAL_LOCKS": "0", **home, **children, **index, **environment({**_SETTINGS, **self.secrets})}


def ended_well(what: str, command: str, result: CommandResult) -> None:
    """Have a git command have succeeded; see `Git.must`.

    Raises:
        CommandFailed: it exited with another code than 0; the message has what git said last.
    """
    if result.code != 0:
        raise CommandFailed(f"cannot {what}", f"git {command} {exited(result.code)}: {complaint(result.tail)}")


def fetch_command(*, anew: bool = False) -> list[str]:
    """How git fetches, from a remote or a bundle: no tags but those asked for, and no other traces.

    Args:
        anew: whether objects are missing that seem to be there.
    """
    return ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", *(["--refetch"] if anew else [])]


def _as_owner(owner: User) -> list[str]:
    """The beginning of a command line that runs as a user: of one who is trusted like root, else a worker is it."""
    groups = ",".join(map(str, owner.groups))
    return [
        "setpriv",
        f"--reuid={owner.uid}",
        f"--regid={owner.gid}",
        f"--groups={groups}" if groups else "--clear-groups",
    ]
