"""`fsm release`: the maintainer's side."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code, of_error, worst
from fsm.cli.releasing import (
    api_url_option,
    key_option,
    named,
    output_option,
    repository_option,
    signing_keys,
    token,
)
from fsm.cli.yank import yank
from fsm.errors import FsmError

if TYPE_CHECKING:
    from fsm.release.build import Built, Options
    from fsm.release.publish import Published


@click.group(
    cls=commands.Group,
    aliases={"unpublish": "yank"},
    examples=("fsm release build --output dist", "fsm release publish"),
)
def release() -> None:
    """Build, check, publish and withdraw releases.

    A release is described in update.yaml, or in [tool.fsm] of pyproject.toml. On GitHub Actions, each error is also
    shown beside its line.
    """


release.add_command(yank)


def _described(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--description",
            metavar="PATH",
            type=click.Path(),
            help="Description file. Default: update.yaml, pyproject.toml.",
        ),
        click.option(
            "--version",
            metavar="VERSION",
            help="Version. Default: from the tag, pyproject.toml, package.json or VERSION.",
        ),
        click.option("--tag", metavar="TAG", help="Tag of the release. Default: the tag in $GITHUB_REF."),
        click.option(
            "--checksums",
            "styles",
            multiple=True,
            type=click.Choice(["bsd", "files", "sha512"]),
            help="Besides SHA256SUMS: BSD style, one .sha256 per file, SHA512SUMS; repeatable.",
        ),
        click.option("--artifact", "artifacts", metavar="PATTERN", multiple=True, help="Additional files; repeatable."),
        click.option("--image", "images", metavar="IMAGE:TAG", multiple=True, help="Additional images; repeatable."),
        common.json_option,
    ):
        command = option(command)
    return command


def _signed(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--keyring",
            metavar="FILE",
            type=click.Path(),
            help="Keyring to publish. Default: fsm-keyring.yaml beside the description.",
        ),
        click.option(
            "--sequence",
            metavar="N",
            type=click.IntRange(0, (1 << 53) - 1),
            help="How new the release is. Default: the time of the commit.",
        ),
        key_option,
        repository_option,
    ):
        command = option(command)
    return command


@release.command(cls=commands.Command, examples=("fsm release build", "fsm release build --tag v1.4.0 --key ci.key"))
@_described
@_signed
@output_option
def build(to: str, as_json: bool, **given: Any) -> int:
    """Create update-manifest.yaml and SHA256SUMS from the description and the built files.

    Running it again writes the same bytes. Tags of container images are resolved to digests by their registries. With
    --key, or a key in $FSM_SIGNING_KEY, the manifest is signed; $FSM_KEY_PASSWORD is the password of an encrypted key.
    """
    try:
        built = _made(given)
        built.write(Path(to))
    except FsmError as error:
        _annotate(error)
        raise
    if as_json:
        output.emit([_shape(built, Path(to))])
        return Code.DONE
    prepared = built.prepared
    rows = [
        (each.name, output.size(built.hashed[each.path].size), _sha256(built, each.path)) for each in prepared.found
    ]
    for line in output.table(("artifact", "size", "sha256"), rows):
        output.say(line)
    by = f", signed by {', '.join(built.signed_by)}" if built.signed_by else ", unsigned"
    output.say(f"{prepared.decided.version}: wrote {', '.join(built.made)} to {to}{by}")
    return Code.DONE


@release.command(
    cls=commands.Command, examples=("fsm release publish --tag v1.4.0", "fsm release publish --draft --add CHANGES.pdf")
)
@_described
@_signed
@output_option
@api_url_option
@click.option("--draft", is_flag=True, help="Leave the release a draft.")
@click.option(
    "--add",
    "more",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="Additional file, such as a signature; repeatable.",
)
def publish(to: str, api_url: str | None, draft: bool, as_json: bool, **given: Any) -> int:
    """Build a release and publish it on GitHub; run it again to continue after a failure.

    Needs a token in $GITHUB_TOKEN with the permission `contents: write`. What is already published is compared with
    what was built, by size and digest, and never overwritten.
    """
    more = tuple(Path(each) for each in given.pop("more"))
    try:
        built, done = _published(Path(to), api_url, draft, more, given)
    except FsmError as error:
        _annotate(error)
        raise
    if as_json:
        from fsm.cli.shapes import PublishedFile, PublishedRelease  # noqa: PLC0415 - pydantic, only for --json

        files = tuple(
            PublishedFile(name=f.name, size=f.size, sha256=f.digest, how=f.how, signed=built.is_signed(f.name))
            for f in done.files
        )
        shape = PublishedRelease(
            tag=done.tag,
            url=done.url,
            draft=done.draft,
            files=files,
            notes=done.notes,
            signed_by=done.signed_by,
            manifests=_manifests(built, Path(to)),
            sums=_sums(built, Path(to)),
        )
        output.emit([shape])
        return Code.DONE
    for line in output.table(("file", "size", "was"), ((f.name, output.size(f.size), f.how) for f in done.files)):
        output.say(line)
    output.notes(done.notes, "")
    output.say(f"{done.tag} is {'a draft' if done.draft else 'published'}: {done.url}")
    return Code.DONE


def _published(
    to: Path, api_url: str | None, draft: bool, more: tuple[Path, ...], given: dict[str, Any]
) -> tuple[Built, Published]:
    from fsm.release.acceptable import acceptable  # noqa: PLC0415 - pydantic, only for this command
    from fsm.release.github import API, Publisher  # noqa: PLC0415 - see above
    from fsm.release.publish import files_of, publish  # noqa: PLC0415 - see above

    repository, secret = named(given["repository"]), token()
    built = _made(given)
    acceptable(built, (path.name for path in more), datetime.now(UTC), draft=draft)
    built.write(to)
    with Publisher(repository, secret, api_url=api_url or API) as github:
        return built, publish(built, files_of(built, to, more), github, draft=draft)


@release.command(cls=commands.Command, examples=("fsm release check", "fsm release check --description update.yaml"))
@_described
def check(as_json: bool, **given: Any) -> int:
    """Find problems in a release, without publishing anything.

    Examines the description, the files, the manifests that would be written, and the archives.
    """
    from fsm.release.check import check as checked  # noqa: PLC0415 - pydantic, only for this command

    problems = checked(_options(given))
    for problem in problems:
        _annotate(problem)
    if as_json:
        from fsm.cli.shapes import ReleaseProblem  # noqa: PLC0415 - pydantic, only for --json

        output.emit([ReleaseProblem.of(problem) for problem in problems])
    else:
        for problem in problems:
            output.say(output.one_line(str(problem)))
        if not problems:
            output.say("no problems found")
    return worst(of_error(problem) for problem in problems)


def _made(given: dict[str, Any]) -> Built:
    """Build; the files are being read while pydantic is loaded."""
    from fsm.formats.sums import algorithms  # noqa: PLC0415 - see above
    from fsm.release.early import begin, uncollected  # noqa: PLC0415 - only for these commands
    from fsm.release.hashing import Hasher  # noqa: PLC0415 - see above

    with uncollected(), Hasher(algorithms(given["styles"])) as hasher:
        begin(Path(given["description"]) if given["description"] else None, hasher)
        from fsm.release.build import build as made  # noqa: PLC0415 - pydantic, after the files have begun

        return made(_options(given), hasher)


def _options(given: dict[str, Any]) -> Options:
    from fsm.release.build import Options  # noqa: PLC0415 - loaded by the caller

    described, keyring, repository = given.pop("description"), given.pop("keyring", None), given.pop("repository", None)
    keys = signing_keys(given.pop("keys")) if "keys" in given else ()
    if keys:
        from fsm.release.signing import Signing  # noqa: PLC0415 - loaded by the caller

        given["signing"] = Signing(keys, named(repository))
    return Options(
        description=Path(described) if described else None, keyring=Path(keyring) if keyring else None, **given
    )


def _annotate(error: FsmError) -> None:
    """Show an error beside its line, where this runs on GitHub."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from fsm.release.problems import annotation  # noqa: PLC0415 - loaded by the caller

        output.tell(annotation(error))


def _sha256(built: Built, path: Path) -> str:
    return built.hashed[path].digests["sha256"]


def _manifests(built: Built, to: Path) -> dict[str, str]:
    return {rule.name: str(to / built.prepared.manifest_name(rule.name)) for _, rule in built.prepared.components}


def _sums(built: Built, to: Path) -> tuple[str, ...]:
    return tuple(str(to / name) for name in built.sums)


def _shape(built: Built, to: Path) -> Any:
    from fsm.cli.shapes import BuiltFile, BuiltRelease  # noqa: PLC0415 - pydantic, only for --json

    prepared = built.prepared
    return BuiltRelease(
        version=str(prepared.decided.version),
        tag=prepared.decided.tag,
        manifests=_manifests(built, to),
        sums=_sums(built, to),
        trust=tuple(str(to / name) for name in built.trust),
        signed_by=built.signed_by,
        artifacts=tuple(
            BuiltFile(
                component=each.component,
                name=each.name,
                path=str(each.path),
                size=built.hashed[each.path].size,
                sha256=f"sha256:{_sha256(built, each.path)}",
                platform=each.platform,
            )
            for each in prepared.found
        ),
    )
