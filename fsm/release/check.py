"""Looks at everything that `build` would publish, and into the archives, without publishing anything.

What can be found is found in one go: a problem in one component does not hide those of the next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from fsm.errors import FsmError
from fsm.formats.checkspec import HealthEndpoint
from fsm.model import Version
from fsm.release.build import Options, Prepared, assemble, prepare
from fsm.release.collecting import Found
from fsm.release.description import ComponentRule
from fsm.release.problems import ReleaseError, Spot
from fsm.system import archive

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".zip", ".whl")
"""Names of files that hosts unpack."""

SECRETS = frozenset({"FSM_SIGNING_KEY", "FSM_KEY_PASSWORD", "GITHUB_TOKEN"})
"""Variables of a release's step that no other program needs."""

RESOLVING = 300.0
"""Seconds that uv may take to resolve requirements."""


def check(options: Options) -> list[FsmError]:
    """Everything that is wrong with a release, in the order of the description; empty when it can be published.

    Registries are not asked for images: a pull request's images are not there yet. Nor has it a tag: where nothing else
    says a version, it is 0.0.0.
    """
    options = replace(options, resolve_images=False, default_version=Version("0.0.0"))
    try:
        prepared = prepare(options)
    except FsmError as error:
        return [error]
    found = list(_problems(lambda: assemble(prepared, options)))
    for number, rule in prepared.components:
        found += _endpoints(prepared, number, rule)
        mine = [each for each in prepared.found if each.component == rule.name and each.name.endswith(ENDINGS)]
        for each in mine:
            found += _problems(partial(_archive, prepared, number, rule, each))
        if not mine and (rule.requirements or rule.migrations):
            spot = prepared.source.spot("components", number)
            todo = "name the archive in `artifacts`, or drop both keys"
            found.append(ReleaseError(spot, "has requirements or migrations, but no archive that contains them", todo))
    return found


def _problems(work: Callable[[], object]) -> Iterator[FsmError]:
    try:
        work()
    except FsmError as error:
        yield error


def _endpoints(prepared: Prepared, number: int, rule: ComponentRule) -> Iterator[ReleaseError]:
    """Health checks whose URL no host could ask: the schema says what a URL looks like, not what a port is."""
    for key in ("pre_update_checks", "post_update_checks"):
        for index, each in enumerate(getattr(rule, key)):
            if isinstance(each, HealthEndpoint):
                try:
                    port = urlsplit(each.url).port
                except ValueError:
                    port = 0
                if port == 0:
                    spot = prepared.source.spot("components", number, key, index, "url")
                    yield ReleaseError(spot, f"{each.url} has no port that exists", "write one from 1 to 65535")


def _archive(prepared: Prepared, number: int, rule: ComponentRule, found: Found) -> None:
    """Unpack one archive as a host would, and look for what the description says is in it."""

    def spot(key: str, *more: int) -> Spot:
        return prepared.source.spot("components", number, key, *more)

    if not (rule.requirements or rule.migrations) or found.name.endswith(".whl"):
        _safely(found, lambda: archive.inspect(found.path))
        return
    with tempfile.TemporaryDirectory(prefix="fsm-release-") as room:
        tree = Path(room) / "tree"
        _safely(found, lambda: archive.unpack(found.path, tree))
        for index, name in enumerate(rule.migrations):
            if not (tree / name).is_file():
                raise ReleaseError(
                    spot("migrations", index), f"{found.name} has no {name}", "add it, or correct the path"
                )
        if rule.requirements:
            _resolve(tree, rule, found, spot("requirements"))


def _safely(found: Found, work: Callable[[], object]) -> None:
    try:
        work()
    except FsmError as error:
        raise ReleaseError(found.spot, error.cause, error.todo) from error
    except OSError as error:
        raise ReleaseError(found.spot, f"{found.path} cannot be unpacked: {error.strerror}", "try again") from error


def _resolve(tree: Path, rule: ComponentRule, found: Found, spot: Spot) -> None:
    """Resolve the requirements as a host would: of the archive's own wheels alone where they are named."""
    from fsm.system.shell import ask  # noqa: PLC0415 - only where it is needed

    path = tree / str(rule.requirements)
    if not path.is_file():
        raise ReleaseError(spot, f"{found.name} has no {rule.requirements}", "add it, or correct the path")
    argv = [
        _uv(spot),
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--no-header",
        "--no-annotate",
        str(rule.requirements),
    ]
    if rule.wheels:
        if not (tree / rule.wheels).is_dir():
            raise ReleaseError(spot, f"{found.name} has no directory {rule.wheels}", "add it, or drop `wheels`")
        argv += ["--no-index", "--offline", "--find-links", rule.wheels]
    secret = sorted(name for name in SECRETS if os.environ.get(name))
    if secret:
        # Building a source package is others' code, which finds in /proc what its parents were started with.
        argv.append("--no-build")
    try:
        asked = ask(argv, cwd=tree, env=dict.fromkeys(secret, ""), timeout=RESOLVING)
    except FsmError as error:
        raise ReleaseError(spot, error.cause, error.todo) from error
    if asked.code:
        why = f"{rule.requirements} cannot be resolved: {asked.complaint or 'uv gave no reason'}"
        unbuilt = f"; source packages are built only without ${' and $'.join(secret)}" if secret else ""
        raise ReleaseError(spot, why, f"correct it, or add the missing wheels{unbuilt}")


def _uv(spot: Spot) -> str:
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only where there are requirements

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise ReleaseError(spot, "requirements cannot be resolved: uv is missing", "install uv") from error
