"""Releases in a git repository: the end of a branch, or the tags of a pattern.

Only ``git ls-remote`` is asked: it costs one short conversation, needs no clone, and is the same for every server. What
a repository tells in that way is names and commits, so

- a tag of the pattern is a release whose version is what the ``*`` stands for;
- a branch has one release, its end. Commits have no order that could be read off them, so its version is the commit
  (``0-g1a2b3c4d5e6f``, as `commit_version` writes it) and it is marked as `Announced.head`: whatever else is installed
  is to become this.

The files come with `git fetch`, into the checkout itself, by the component type that has it; this source has no
artifacts. Credentials are in the environment of git only: never in its arguments, in a URL, in a message.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fsm.errors import DeadlineExceeded, SourceError, Transient
from fsm.formats.artifacts import Artifact
from fsm.formats.releases import Release
from fsm.model import Version
from fsm.sources.base import Announced, Cached, Check, Listing, Notices, Progress
from fsm.sources.remotes import PROTOCOLS, masked
from fsm.sources.specs import GitSpec
from fsm.sources.tokens import token_of
from fsm.system.masking import keep_secret, masked_text
from fsm.system.shell import ask

DIGITS: Final = 12
"""Digits of a commit in a version; the plan has all of them."""

NO_SUCH_REF: Final = 2
"""What ``git ls-remote --exit-code`` ends with where the repository answers and has no such ref."""

_LINE: Final = re.compile(r"^(?P<commit>[0-9a-f]{40}(?:[0-9a-f]{24})?)\t(?P<ref>refs/\S+)$", re.MULTILINE)
_PEELED: Final = "^{}"
_MISLEADING: Final = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    "SUDO_UID",
)
_CONSOLATION: Final = (
    "fatal: Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists",
)
"""What git says after every failure of a remote's command, so that the reason stands above it."""


def commit_version(commit: str) -> Version:
    """The version of a commit that has no tag: ``0-g`` and its first digits, as ``git describe`` abbreviates it."""
    return Version(f"0-g{commit[:DIGITS]}")


def tag_version(pattern: str, tag: str) -> Version | None:
    """The version that a tag of a pattern names; None if it is none."""
    before, _, after = pattern.partition("*")
    inside = len(tag) > len(before) + len(after) and tag.startswith(before) and tag.endswith(after)
    return Version.parse(tag[len(before) : len(tag) - len(after)]) if inside else None


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What git has in its environment whenever it is called: settings of its own, no questions, no programs.

    Settings are here and not on the command line, which everybody on the host can read and our log repeats.
    """
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "SSH_ASKPASS": "true",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20"),
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        # What somebody set to look at the traffic would write the token into our logs.
        "GIT_TRACE_CURL": "0",
        "GIT_CURL_VERBOSE": "0",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **{f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(settings)},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(settings.values())},
    }


def remote_settings(spec: GitSpec) -> dict[str, str]:
    """What git needs to speak to the remote: the token, for its server and no other.

    Raises:
        ConfigError: the token cannot be read.
    """
    token = token_of(spec)
    if token is None:
        return {}
    parts = urlsplit(spec.url)
    basic = keep_secret(base64.b64encode(f"{spec.user}:{token}".encode()).decode())
    return {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": f"Authorization: Basic {basic}"}


def complaint(text: str) -> str:
    """The line in which git, or its ssh, says why it failed, for a message; nothing is decided by it."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith(_CONSOLATION)]
    fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    return masked_text(masked((fatal or lines)[-1]))[:300] if lines else "it said nothing"


class GitSource:
    """The releases of one component in a git repository.

    Args:
        spec: the configuration.
        component: whose releases they are.
    """

    def __init__(self, spec: GitSpec, component: str) -> None:
        self._spec = spec
        self._component = component

    def releases(self, cached: Cached | None = None) -> Listing:
        """The end of the branch, or the tags that are versions."""
        if self._spec.branch is not None:
            ref = f"refs/heads/{self._spec.branch}"
            for commit, found in self._ask(ref):
                if found == ref:
                    version = commit_version(commit)
                    return Listing(
                        releases=(Announced(version=version, tag=self._spec.branch, commit=commit, head=True),)
                    )
            raise self._no_such_ref()
        return self._tags(self._spec.tags or "")

    def release(self, announced: Announced) -> Release:
        """The commit that was announced. What it holds is known once it was fetched."""
        return Release(
            version=announced.version,
            prerelease=announced.prerelease,
            ref=f"refs/{'tags' if self._spec.branch is None else 'heads'}/{announced.tag}",
            commit=announced.commit,
        )

    def notices(self) -> Notices:
        """None: a repository's refs have no place for them."""
        return Notices()

    def fetch(self, artifact: Artifact, dest: Path, *, check: Check, progress: Progress) -> None:
        """A repository has no artifacts."""
        raise SourceError(
            f"cannot fetch {artifact.name}", "a git repository has no artifacts", 'use a component of type "git"'
        )

    def _tags(self, pattern: str) -> Listing:
        found: dict[str, str] = {}
        for commit, ref in self._ask(f"refs/tags/{pattern}"):
            # An annotated tag is listed twice: as itself, and, behind it, as the commit that it names.
            found[ref.removeprefix("refs/tags/").removesuffix(_PEELED)] = commit
        announced, odd = [], []
        for tag, commit in found.items():
            version = tag_version(pattern, tag)
            if version is None:
                odd.append(tag)
            else:
                announced.append(Announced(version=version, tag=tag, commit=commit))
        names = ", ".join(odd[:5]) + (f" and {len(odd) - 5} more" if len(odd) > 5 else "")
        warnings = (f"{masked(self._spec.url)} has tags that are not versions, ignored: {names}",) if odd else ()
        return Listing(releases=tuple(announced), warnings=warnings)

    def _ask(self, ref: str) -> Iterator[tuple[str, str]]:
        """Commit and name of the refs that match, with their peeled lines."""
        patterns = [ref, ref + _PEELED] if "*" in ref else [ref]
        argv = [*outside(os.environ), "git", "ls-remote", "--exit-code", "--", self._spec.url, *patterns]
        environ = environment(remote_settings(self._spec))
        try:
            asked = ask(argv, cwd=Path("/"), env=environ, timeout=self._spec.timeout)
        except DeadlineExceeded as error:
            raise Transient(f"cannot ask {masked(self._spec.url)}", error.why, "check the network") from error
        if asked.code not in (0, NO_SUCH_REF):
            raise self._unreachable(asked.complaint)
        if asked.code == 0:
            text = asked.out.decode("utf-8", "replace")
            yield from ((match["commit"], match["ref"]) for match in _LINE.finditer(text))

    def _unreachable(self, text: str) -> Transient | SourceError:
        what, url = f"cannot ask {masked(self._spec.url)}", self._spec.url
        place = Path(url.removeprefix("file://"))
        if place.is_absolute() and not place.is_dir():
            return SourceError(what, "there is no such directory", "correct the url of the component's source")
        return Transient(what, f"git said: {complaint(text)}", "check the network, the url and the credentials")

    def _no_such_ref(self) -> SourceError:
        return SourceError(
            f"cannot follow the branch {self._spec.branch}",
            f"{masked(self._spec.url)} has no such branch",
            "correct the branch of the component's source",
        )


def outside(environ: Mapping[str, str]) -> list[str]:
    """The beginning of a command line that runs git without variables that would lead it to another repository.

    They are there where the updater itself is called by git: in a hook, in ``git bisect run``. Under ``sudo`` another
    one would have git trust, as root, the repositories of whoever called it.
    """
    found = [name for name in _MISLEADING if name in environ]
    return ["env", *(f"--unset={name}" for name in found)] if found else []
