"""A test fixture for git checkouts: the app of `tests.app_fixture`, its releases commits of a real repository.

fixture = GitFixture(tmp_path)
app_fixture.publish("1.0.0")           a commit on main of releases/, with the tag v1.0.0
app_fixture.install("1.0.0")           a clone
app_fixture.start()
app_fixture.publish("1.1.0")
assert app_fixture.updater().update("app").outcome == "done"
"""

from __future__ import annotations

import os
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


def git(where: Path, *args: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
    """Run git somewhere, as its author would; returns what it prints."""
    argv = ["git", "-c", "protocol.file.allow=always", "-c", "safe.directory=*", "-C", str(where), *args]
    environ = {**os.environ, **ENVIRONMENT, **(env or {})}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, f"git {' '.join(args)}: {done.stderr}"
    return done.stdout.strip()


class GitFixture(AppFixture):
    """One host with one git checkout. Arguments and attributes as those of `AppFixture`.

    Attributes:
        author: a clone in which releases are made.
    """

    def __init__(self, root: Path, **given: Any) -> None:
        super().__init__(root, **given)
        self.author = root / "author"
        if not (self.releases / "HEAD").exists():
            git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.releases))
            git(self.releases, "config", "uploadpack.allowFilter", "true")
            git(root, "init", "--quiet", "--initial-branch=main", str(self.author))

    def publish(  # type: ignore[override]
        self,
        version: str,
        *traits: Trait,
        extra: Mapping[str, bytes | None] | None = None,
        rewrite: bool = False,
        **_: Any,
    ) -> str:
        """Commit a release on top of the one before, tag it, and push both.

        Args:
            version: its version.
            traits: what it does.
            extra: further files, or other content for the usual ones; None: without that file.
            rewrite: replace the commit before it, as a force-push does.

        Returns:
            The commit.
        """
        git(self.author, "rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
        files: dict[str, bytes | None] = {**self.files(version, *traits), **(extra or {})}
        for name, data in files.items():
            if data is not None:
                (self.author / name).parent.mkdir(parents=True, exist_ok=True)
                (self.author / name).write_bytes(data)
        git(self.author, "add", "--force", "--all", ".")
        return self.commit(version, rewrite=rewrite)

    def commit(self, version: str, *, rewrite: bool = False) -> str:
        """Commit what is staged in the author's clone, tag it and push both."""
        amend = ["--amend"] if rewrite else []
        git(self.author, "commit", "--quiet", "--allow-empty", *amend, "-m", f"Fix error handling: {version}")
        git(self.author, "tag", "--force", f"v{version}")
        git(self.author, "push", "--quiet", "--force", str(self.releases), "main", f"v{version}")
        return git(self.author, "rev-parse", "HEAD")

    def library(self, name: str, *versions: str, extra: Mapping[str, bytes | None] | None = None) -> None:
        """A repository beside that of the app, with a commit for each version, and perhaps a submodule of its own.

        Args:
            name: of the repository; its author's clone is ``<name>-author``.
            versions: what stands in its file ``VERSION``, one commit each.
            extra: further files of these commits; None: from then on without that file.
        """
        author = self.root / f"{name}-author"
        if not author.exists():
            git(self.root, "init", "--quiet", "--bare", "--initial-branch=main", f"{name}.git")
            git(self.root, "init", "--quiet", "--initial-branch=main", str(author))
        for version in versions:
            for path, data in {"VERSION": f"{version}\n".encode(), **(extra or {})}.items():
                (author / path).unlink(missing_ok=True)
                if data is not None:
                    (author / path).parent.mkdir(parents=True, exist_ok=True)
                    (author / path).write_bytes(data)
            git(author, "add", "--force", "--all", ".")
            git(author, "commit", "--quiet", "-m", version)
        git(author, "push", "--quiet", "--force", str(self.root / f"{name}.git"), "main")

    def publish_with_library(self, version: str, *traits: Trait, url: str = "../lib.git") -> None:
        """A release of the app that has the library `lib` in ``vendor/lib``, at its newest commit."""
        self.publish(version, *traits)
        git(self.author, "config", "remote.origin.url", str(self.releases))
        git(self.author, "submodule", "--quiet", "add", "--force", url, "vendor/lib")
        git(self.author / "vendor/lib", "pull", "--quiet", str(self.root / "lib.git"), "main")
        git(self.author, "add", ".")
        self.commit(version, rewrite=True)

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
