"""A test fixture for git checkouts: the app of `tests.app_fixture`, its releases commits of a real repository.

fixture = GitFixture(tmp_path)
app_fixture.publish("1.0.0")           a commit on main of releases/, with the tag v1.0.0
app_fixture.install("1.0.0")           a clone
app_fixture.start()
app_fixture.publish("1.1.0")
assert app_fixture.updater().update("app").outcome == "done"

What git does for the product is real; what only makes the fixture are as few processes as can be, and the objects of a
release are copied into the remote, for a push is ten of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fsm.services import ServiceManager, open_service
from fsm.sources.git import commit_version
from fsm.system import inventory
from fsm.system.inventory import Inventory
from tests.app_fixture import AppFixture, Trait

ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A. Author",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "A. Author",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}
CONFIG: Final = (
    *("-c", "protocol.file.allow=always", "-c", "safe.directory=*"),
    *("-c", "maintenance.auto=false", "-c", "gc.auto=0"),  # a process each, which finds nothing to do
)


def git(where: Path, *args: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
    """Run git somewhere, as its author would; returns what it prints."""
    argv = ["git", *CONFIG, "-C", str(where), *args]
    environ = {**os.environ, **ENVIRONMENT, **(env or {})}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, f"git {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


def empty_repository(path: Path, *, bare: bool) -> None:
    """Make what ``git init`` makes, on the branch ``main``, and what a server allows; examples of hooks left out."""
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (path / name).mkdir(parents=True, exist_ok=True)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    settings = ["repositoryformatversion = 0", "filemode = true", f"bare = {str(bare).lower()}"]
    sections = {"core": settings if bare else [*settings, "logallrefupdates = true"]}
    if bare:
        sections["uploadpack"] = ["allowFilter = true"]
    lines = (f"[{name}]\n" + "".join(f"\t{line}\n" for line in settings) for name, settings in sections.items())
    (path / "config").write_text("".join(lines))


def bring_objects(source: Path, target: Path) -> None:
    """Copy the objects that another repository has not, as a push would, but without asking which are wanted."""
    for path in (source / "objects").rglob("*"):
        copy = target / "objects" / path.relative_to(source / "objects")
        if path.is_file() and not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o444)


class GitFixture(AppFixture):
    """One host with one git checkout. Arguments and attributes as those of `AppFixture`.

    Attributes:
        author: a clone in which releases are made.
    """

    def __init__(self, root: Path, **given: Any) -> None:
        super().__init__(root, **given)
        self.author = root / "author"
        if not (self.releases / "HEAD").exists():
            empty_repository(self.releases, bare=True)
            empty_repository(self.author / ".git", bare=False)

    def publish(  # type: ignore[override]
        self,
        version: str,
        *traits: Trait,
        extra: Mapping[str, bytes | None] | None = None,
        rewrite: bool = False,
        submodule: tuple[str, str] | None = None,
        **_: Any,
    ) -> str:
        """Commit a release on top of the one before, tag it, and push both.

        Args:
            version: its version.
            traits: what it does.
            extra: further files, or other content for the usual ones; None: without that file.
            rewrite: replace the commit before it, as a force-push does.
            submodule: a commit of another repository, and where it is to be checked out.

        Returns:
            The commit.
        """
        for path in self.author.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        files: dict[str, bytes | None] = {**self.files(version, *traits), **(extra or {})}
        for name, data in files.items():
            if data is not None:
                (self.author / name).parent.mkdir(parents=True, exist_ok=True)
                (self.author / name).write_bytes(data)
        git(self.author, "add", "--force", "--all", ".")
        if submodule is not None:
            git(self.author, "update-index", "--add", "--cacheinfo", "160000", *submodule)
        return self.commit(version, rewrite=rewrite)

    def commit(self, version: str, *, rewrite: bool = False) -> str:
        """Commit what is staged in the author's clone, tag it and push both."""
        amend = ["--amend"] if rewrite else []
        git(self.author, "commit", "--quiet", "--allow-empty", *amend, "-m", f"Fix error handling: {version}")
        made = self.author / ".git"
        commit = (made / "refs/heads/main").read_text().strip()
        bring_objects(made, self.releases)
        for repository in (made, self.releases):
            for ref in ("heads/main", f"tags/v{version}"):
                (repository / "refs" / ref).write_text(f"{commit}\n")
        return commit

    def library(self, name: str, *versions: str, extra: Mapping[str, bytes | None] | None = None) -> None:
        """A repository beside that of the app, with a commit for each version, and perhaps a submodule of its own.

        Args:
            name: of the repository; its author's clone is ``<name>-author``.
            versions: what stands in its file ``VERSION``, one commit each.
            extra: further files of these commits; None: from then on without that file.
        """
        author = self.root / f"{name}-author"
        if not author.exists():
            empty_repository(self.root / f"{name}.git", bare=True)
            empty_repository(author / ".git", bare=False)
        for version in versions:
            for path, data in {"VERSION": f"{version}\n".encode(), **(extra or {})}.items():
                (author / path).unlink(missing_ok=True)
                if data is not None:
                    (author / path).parent.mkdir(parents=True, exist_ok=True)
                    (author / path).write_bytes(data)
            git(author, "add", "--force", "--all", ".")
            git(author, "commit", "--quiet", "-m", version)
        bring_objects(author / ".git", self.root / f"{name}.git")
        shutil.copyfile(author / ".git/refs/heads/main", self.root / f"{name}.git/refs/heads/main")

    def publish_with_library(
        self, version: str, *traits: Trait, url: str = "../lib.git", path: str = "vendor/lib"
    ) -> None:
        """A release of the app that has the library `lib` as the submodule ``vendor/lib``, at its newest commit."""
        commit = (self.root / "lib.git/refs/heads/main").read_text().strip()
        listed = f'[submodule "vendor/lib"]\n\tpath = {path}\n\turl = {url}\n'
        self.publish(version, *traits, extra={".gitmodules": listed.encode()}, submodule=(commit, path))

    def install(self, version: str, *traits: Trait) -> None:
        """Clone it, as people do."""
        git(self.root, "clone", "--quiet", "--no-local", str(self.releases), str(self.live))
        git(self.live, "reset", "--quiet", "--hard", f"v{version}")

    def head(self) -> str:
        """What is checked out."""
        return git(self.live, "rev-parse", "HEAD")

    def released(self, version: str) -> str:
        """The commit of a release."""
        return git(self.author, "rev-parse", f"v{version}^{{commit}}")

    def version_of(self, version: str) -> str:
        """What the updater calls a release that it follows by branch."""
        return str(commit_version(self.released(version)))

    def is_clean(self, version: str, changed: str = "") -> bool:
        """Whether that release is checked out, and git finds nothing wrong with its repository.

        Args:
            version: the release.
            changed: the changes that there are to be.
        """
        found = git(self.live, "status", "--porcelain", "--untracked-files=no")
        locks = list((self.live / ".git").rglob("*.lock"))
        git(self.live, "fsck", "--no-dangling", "--no-progress")
        return self.head() == self.released(version) and found == changed and not locks

    def inventory(self) -> Inventory:
        """What is in the checkout, without git's own."""
        return inventory.take(self.live, skip=lambda path: str(path) == ".git")

    def refs(self) -> list[str]:
        """The refs of ours."""
        return git(self.live, "for-each-ref", "--format=%(refname)", "refs/fsm").split()

    def _table(self) -> dict[str, Any]:
        return {
            "type": "git",
            "path": str(self.live),
            "source": {"type": "git", "allow_unsigned": True, "url": str(self.releases), "branch": "main"},
            "services": {"app": self._service if "manager" in self._service else self._process()},
            "preserve": [".env", "data/"],
            "settle_seconds": 0.05,
            "reserve_mb": 1,
            "lock_wait": 0.3,
            "post_checks": [{"type": "command", "argv": self.ask_argv, "timeout_seconds": 20}],
        }

    def manager(self) -> ServiceManager:
        """What starts and stops the app."""
        spec: Any = self.updater().config.component(self.name).spec
        return open_service(spec.services["app"], name=f"{self.name}.app", state_dir=self.state)
