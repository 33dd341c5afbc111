"""A git checkout of another user: nothing that the user plants in it is done, read or written with the rights of root.

Each attack of issue 11 stands here for its kind; `Host` has root's directory that must stay as it is, and programs that
tell who ran them.
"""

from __future__ import annotations

import shutil

import pytest

from fsm.engine.report import Outcome
from fsm.errors import FsmError
from tests.boundary.checkout import Host, unharmed
from tests.git_fixture import git
from tests.githttp import serving

pytestmark = pytest.mark.needs_root

TOKEN = "s3cr3t-t0ken-nobody-may-read"


def every_verb(host: Host) -> list[str]:
    """Ask and do everything, one after the other; what each of them says."""
    said = []
    for verb in ("check", "plan", "update", "rollback"):
        try:
            said.append(f"{verb}: {getattr(host.updater(), verb)('app')}")
        except FsmError as error:
            said.append(f"{verb}: {error}")
    said += [f"doctor: {finding}" for finding in host.updater().doctor()]
    said += [f"resume: {result}" for result in host.updater().resume()]
    return said


PROGRAMS = {
    "filter.drop.clean": "{program}",
    "filter.drop.smudge": "{program}",
    "diff.drop.textconv": "{program}",
    "diff.external": "{program}",
    "core.fsmonitor": "{program}",
    "core.sshCommand": "{program}",
    "core.gitProxy": "{program}",
    "core.askPass": "{program}",
    "core.pager": "{program}",
    "credential.helper": "{program}",
    "uploadpack.packObjectsHook": "{program}",
    "core.alternateRefsCommand": "{program}",
    "gpg.program": "{program}",
    "submodule.vendor/lib.update": "!{program}",
}
"""Settings of a repository by which git runs a program."""


def plant_programs(host: Host) -> None:
    """Every setting that has git run a program, and a hook of each name."""
    program = host.program("planted")
    for key, value in PROGRAMS.items():
        git(host.live, "config", key, value.format(program=program))
    attributes = host.live / ".git/info/attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("* filter=drop diff=drop\n")
    hooks = host.live / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc", "post-merge"):
        (hooks / name).symlink_to(program)
    (host.live / "lib/names.txt").touch()
    host.hand_over()


def test_a_linked_repository_gives_its_programs_no_rights(git_host):
    """C1: ``.git`` leads into a sticky directory of root's that the user has filled."""
    host = git_host()
    plant_programs(host)
    sticky = host.root / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    for path in (host.live / ".git").iterdir():
        path.rename(sticky / path.name)
    (host.live / ".git").rmdir()
    host.link(".git", sticky)
    every_verb(host)
    unharmed(host)


def test_no_program_of_the_repository_runs_as_root(git_host):
    """Filters, hooks, helpers, proxies: git runs as the user, without a capability."""
    host = git_host()
    plant_programs(host)
    said = every_verb(host)
    assert "uid=4242" in host.told(), said
    unharmed(host)


@pytest.mark.parametrize("scheme", ["git", "ssh"])
def test_nobody_else_sees_the_token_or_the_environment_of_root(passable, monkeypatch, scheme):
    """A proxy of the repository's, and a URL that leads to it, were given both."""
    monkeypatch.setenv("OF_ROOT", "only-root-knows-this")
    monkeypatch.setenv("DEPLOY_TOKEN", TOKEN)
    with serving(passable, TOKEN) as server:
        source = {"type": "git", "allow_unsigned": True, "url": f"{server.url}/releases", "branch": "main"}
        host = Host(passable, source={**source, "token_env": "DEPLOY_TOKEN"})
        host.publish("1.0.0")
        host.install("1.0.0")
        host.publish("1.1.0")
        plant_programs(host)
        git(host.live, "config", f"url.{scheme}://127.0.0.1/.insteadOf", f"{server.url}/")
        host.hand_over()
        result = host.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    assert "uid=4242" in host.told()
    assert TOKEN not in host.told()
    assert "Authorization" not in host.told()
    assert "only-root-knows-this" not in host.told()
    unharmed(host)
    host.kill()


def test_a_new_submodule_changes_the_owner_of_nothing(git_host):
    """C2: where its repository will be made lies a link to a directory of root's."""
    host = git_host(publish=False)
    host.library("lib", "1")
    host.publish_with_library("1.1.0")
    host.link(".git/modules/vendor/lib.fsm-new", host.canary)
    host.hand_over()
    every_verb(host)
    unharmed(host)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("objects/ee", "ee"),
        ("modules/x/refs", "refs"),
        ("refs/fsm", "refs"),
        ("worktrees", "deep"),
        ("index.lock", "plain"),
        ("modules/vendor", "deep"),
    ],
)
def test_mending_a_repository_removes_nothing_elsewhere(git_host, name, target):
    """H2: empty objects and forgotten locks were looked for through links, and removed."""
    host = git_host()
    if name.startswith("modules/x"):
        (host.live / ".git/modules/x/objects").mkdir(parents=True)
    path = host.live / ".git" / name
    if path.is_dir():
        shutil.rmtree(path)
    host.link(f".git/{name}", host.canary / target)
    host.hand_over()
    every_verb(host)
    unharmed(host)


@pytest.mark.parametrize("copies", [{"agent/.env": "settings"}, {"agent/er/new": "settings"}])
def test_a_copy_is_written_through_no_link(git_host, copies):
    """H3: the missing one of two files was made wherever a link led."""
    host = git_host(copies=copies)
    (host.live / "settings").write_text("MINE=1\n")
    host.link("agent", host.canary / "deep")
    host.hand_over()
    every_verb(host)
    unharmed(host)


def test_a_build_runs_as_the_user(git_host):
    """C4: the command stands in the configuration, and all that it runs in the tree."""
    host = git_host(build={"command": ["sh", "build.sh"], "products": ["dist"]}, publish=False)
    program = host.program("tool")
    script = f"#!/bin/sh\n{program} </dev/null; mkdir dist; cp VERSION dist/\n".encode()
    host.publish("1.1.0", extra={"build.sh": script})
    result = host.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    assert (host.live / "dist/VERSION").read_text() == "1.1.0\n"
    assert "uid=4242" in host.told()
    unharmed(host)


@pytest.mark.parametrize("what", ["lib", "data", ".git", ".git/objects", ".git/modules"])
def test_directories_that_are_exchanged_lead_nowhere(git_host, what):
    """H1: while it is worked on, a directory is in turn a link to one of root's; also on the way back."""
    host = git_host(publish=False, local_changes="save", preserve=["data/"])
    for name in ("data/file", "lib/names.txt"):
        (host.live / name).parent.mkdir(exist_ok=True)
        (host.live / name).write_text("changed here\n")
    (host.live / ".git/modules").mkdir(exist_ok=True)
    host.publish("1.1.0", "WRITES", extra={"new/file": b"new\n"})
    host.publish("1.2.0", "BROKEN", extra={"lib/names.txt": b"other\n"})
    host.hand_over()
    with host.exchanging(host.live / what, host.canary / "lib"):
        every_verb(host)
    unharmed(host)


def test_objects_are_borrowed_from_nobody(git_host):
    """A repository may name others whose objects it uses: the user's reads only what the user may read."""
    host = git_host()
    secret = host.root / "secret"
    git(host.root, "init", "--quiet", str(secret))
    (secret / "marker").write_text("only-root-knows-this\n")
    git(secret, "add", ".")
    git(secret, "commit", "--quiet", "-m", "secret")
    blob = git(secret, "rev-parse", "HEAD:marker")
    secret.chmod(0o700)
    (host.live / ".git/objects/info/alternates").write_text(f"{secret}/.git/objects\n")
    host.hand_over()
    result = host.updater().update("app")
    assert result.outcome is Outcome.DONE, result
    (host.live / ".git/objects/info/alternates").unlink()
    assert blob not in git(host.live, "cat-file", "--batch-all-objects", "--batch-check")
    git(host.live, "fsck", "--no-dangling")


def test_what_is_included_is_read_as_the_user(git_host):
    """``include.path`` names a file of root's: its lines stand in no message."""
    host = git_host()
    secret = host.root / "secret"
    secret.write_text("only-root-knows-this\n")
    secret.chmod(0o600)
    git(host.live, "config", "include.path", str(secret))
    host.hand_over()
    said = "".join(every_verb(host))
    assert "only-root-knows-this" not in said
