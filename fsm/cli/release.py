"""`fsm release`: the maintainer's side."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import common, output
from fsm.cli.codes import Code, of_error, worst
from fsm.errors import FsmError, UsageError

if TYPE_CHECKING:
    from fsm.release.build import Built, Options
    from fsm.release.publish import Published


@click.group()
def release() -> None:
    """Make a release of what was built, check one, publish one.

    The component description is update.yaml, or [tool.fsm] in pyproject.toml. On GitHub Actions each error is also
    shown beside the line that it is about.
    """


def _described(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--description", metavar="PATH", type=click.Path(), help="The file; else update.yaml, pyproject.toml."
        ),
        click.option(
            "--version", metavar="VERSION", help="Else what the tag says, or pyproject.toml, package.json, VERSION."
        ),
        click.option("--tag", metavar="TAG", help="Else that of $GITHUB_REF, if it is one."),
        click.option(
            "--checksums",
            "styles",
            multiple=True,
            type=click.Choice(["bsd", "files", "sha512"]),
            help="Beside SHA256SUMS: BSD style, a .sha256 for each file, SHA512SUMS; may be repeated.",
        ),
        common.json_option,
    ):
        command = option(command)
    return command


@release.command()
@_described
@click.option(
    "--output", "-o", "to", metavar="DIR", default="dist", show_default=True, help="Where manifest and sums go."
)
def build(to: str, as_json: bool, **given: Any) -> int:
    """Make update-manifest.yaml and SHA256SUMS of the description and the built files.

    A second run writes the same bytes. Tags of container images are resolved to digests through their registries.
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
    written = ", ".join((*built.manifests, *built.sums))
    output.say(f"{prepared.decided.version}: wrote {written} to {to}")
    return Code.DONE


@release.command()
@_described
@click.option(
    "--output", "-o", "to", metavar="DIR", default="dist", show_default=True, help="Where manifest and sums go."
)
@click.option("--repository", metavar="OWNER/NAME", envvar="GITHUB_REPOSITORY", help="Else $GITHUB_REPOSITORY.")
@click.option("--api-url", metavar="URL", envvar="GITHUB_API_URL", help="Of GitHub Enterprise; else $GITHUB_API_URL.")
@click.option("--draft", is_flag=True, help="Leave it a draft.")
@click.option("--add", "more", metavar="FILE", multiple=True, type=click.Path(), help="Another file: a signature, say.")
def publish(to: str, repository: str | None, api_url: str | None, draft: bool, as_json: bool, **given: Any) -> int:
    """Build a release and put it on GitHub; run again after a failure, it goes on where it was.

    The token comes from $GITHUB_TOKEN and needs the permission `contents: write`. What is published is compared with
    what was built first, by size and digest of each file, and is never overwritten.
    """
    more = tuple(Path(each) for each in given.pop("more"))
    try:
        done = _published(Path(to), repository, api_url, draft, more, given)
    except FsmError as error:
        _annotate(error)
        raise
    if as_json:
        from fsm.cli.shapes import PublishedFile, PublishedRelease  # noqa: PLC0415 - pydantic, only for --json

        files = tuple(PublishedFile(name=f.name, size=f.size, sha256=f.digest, how=f.how) for f in done.files)
        shape = PublishedRelease(tag=done.tag, url=done.url, draft=done.draft, files=files, notes=done.notes)
        output.emit([shape])
        return Code.DONE
    for line in output.table(("file", "size", "was"), ((f.name, output.size(f.size), f.how) for f in done.files)):
        output.say(line)
    common.notes(done.notes, "")
    output.say(f"{done.tag} is {'a draft' if done.draft else 'published'}: {done.url}")
    return Code.DONE


def _published(
    to: Path,
    repository: str | None,
    api_url: str | None,
    draft: bool,
    more: tuple[Path, ...],
    given: dict[str, Any],
) -> Published:
    from fsm.release.publish import files_of, publish  # noqa: PLC0415 - pydantic, only for this command
    from fsm.sources.github.publish import API, Publisher  # noqa: PLC0415 - see above

    token = os.environ.get("GITHUB_TOKEN", "").strip()
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", repository or ""):
        raise UsageError("cannot publish", "nothing says to which repository", "give --repository OWNER/NAME")
    if not token.isascii() or not token.isprintable() or not token:
        why = "$GITHUB_TOKEN is empty" if not token else "$GITHUB_TOKEN is no token"
        raise UsageError("cannot publish", why, "give the step `env: GITHUB_TOKEN: ${{ github.token }}`")
    built = _made(given)
    built.write(to)
    with Publisher(str(repository), token, api_url=api_url or API) as github:
        return publish(built, files_of(built, to, more), github, draft=draft)


@release.command()
@_described
def check(as_json: bool, **given: Any) -> int:
    """Find what is wrong with a release, without publishing anything.

    Looks at the description, the files, the manifests that would be made, and into the archives.
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
            output.say("nothing is wrong with this release")
    return worst(of_error(problem) for problem in problems)


def _made(given: dict[str, Any]) -> Built:
    """Build; the files are being read while pydantic is loaded."""
    from fsm.release.early import begin  # noqa: PLC0415 - only for these commands
    from fsm.release.hashing import Hasher  # noqa: PLC0415 - see above
    from fsm.release.sums import algorithms  # noqa: PLC0415 - see above

    with Hasher(algorithms(given["styles"])) as hasher:
        begin(Path(given["description"]) if given["description"] else None, hasher)
        from fsm.release.build import build as made  # noqa: PLC0415 - pydantic, after the files have begun

        return made(_options(given), hasher)


def _options(given: dict[str, Any]) -> Options:
    from fsm.release.build import Options  # noqa: PLC0415 - loaded by the caller

    described = given.pop("description")
    return Options(description=Path(described) if described else None, **given)


def _annotate(error: FsmError) -> None:
    """Show an error beside its line, where this runs on GitHub."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from fsm.release.problems import annotation  # noqa: PLC0415 - loaded by the caller

        output.tell(annotation(error))


def _sha256(built: Built, path: Path) -> str:
    return built.hashed[path].digests["sha256"]


def _shape(built: Built, to: Path) -> Any:
    from fsm.cli.shapes import BuiltFile, BuiltRelease  # noqa: PLC0415 - pydantic, only for --json

    prepared = built.prepared
    return BuiltRelease(
        version=str(prepared.decided.version),
        tag=prepared.decided.tag,
        manifests={rule.name: str(to / prepared.manifest_name(rule.name)) for _, rule in prepared.components},
        sums=tuple(str(to / name) for name in built.sums),
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
