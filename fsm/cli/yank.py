"""`fsm release yank`: withdrawing a version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.cli.releasing import (
    api_url_option,
    key_option,
    named,
    output_option,
    repository_option,
    signing_keys,
    token,
)
from fsm.errors import UsageError

if TYPE_CHECKING:
    from fsm.formats.trust import SignedFile
    from fsm.release.withdrawing import Change
    from fsm.sources import GitHubSpec


@click.command(
    cls=commands.Command,
    examples=(
        "fsm release yank 1.4.0 'loses settings on restart'",
        "fsm release unpublish 1.4.0 'broken build' --component core",
    ),
)
@click.argument("version")
@click.argument("why")
@click.option(
    "--component", metavar="NAME", help="Only for this component. Default: every component of the repository."
)
@click.option("--local", is_flag=True, help="Only update the list in --output, for sources other than GitHub.")
@click.option(
    "--keyring",
    metavar="FILE",
    type=click.Path(),
    help="Keyring. Default: fsm-keyring.yaml in this directory, if it exists.",
)
@click.option("--take-over", is_flag=True, help="Extend a list that only a revoked key has signed; review it first.")
@key_option
@repository_option
@api_url_option
@output_option
@common.json_option
def yank(version: str, why: str, to: str, as_json: bool, **given: Any) -> int:
    """Withdraw a version: hosts no longer install it, and show the reason. Installed copies keep running.

    Also called `unpublish`. The list of withdrawn versions is signed and published as a release of its own; existing
    releases do not change. A withdrawal is final: publish a new version instead.
    """
    from fsm.cli.shapes import WithdrawnList  # noqa: PLC0415 - pydantic, only for this command

    done, url = _yanked(version, why, Path(to), given)
    if as_json:
        output.emit([WithdrawnList.of(done.listed, url, is_new=done.is_new)])
        return Code.DONE
    gone = ", ".join(f"{each.component or 'every component'} {each.version}" for each in done.listed.withdrawn)
    where = f"list {done.listed.sequence}, {url or f'in {to}'}"
    output.say(f"{'withdrawn' if done.is_new else 'already withdrawn'}: {gone} ({where})")
    return Code.DONE


def _yanked(version: str, why: str, to: Path, given: dict[str, Any]) -> tuple[Change, str]:
    from fsm.release import withdrawing  # noqa: PLC0415 - pydantic, only for this command
    from fsm.release.signing import Signing, read_keyring, require_good  # noqa: PLC0415 - see above

    repository = named(given["repository"])
    keys = signing_keys(given["keys"])
    if not keys:
        todo = "give --key FILE, or its content in $FSM_SIGNING_KEY"
        raise UsageError("cannot withdraw a version", "there is no key to sign the list", todo)
    beside = Path("fsm-keyring.yaml")
    path = Path(given["keyring"]) if given["keyring"] else beside if beside.exists() else None
    ring = read_keyring(path) if path else None
    if ring and path:
        require_good(ring, path, keys, repository, None, "list")
    found = common.version(version)
    source = None if given["local"] else _GitHub(repository, given["api_url"])
    known = withdrawing.read_here(to) if source is None else source.list()
    signing = Signing(keys, repository)
    options = {"component": given["component"], "take_over": given["take_over"]}
    done = withdrawing.withdraw(known, found, why, signing=signing, ring=ring, **options)
    written = withdrawing.write(to, done.signed)
    if source is None or not done.is_new:
        return done, ""
    more = () if path is None else (path, path.with_name(f"{path.name}.minisig"))
    return done, source.publish(done, (*written, *more))


class _GitHub:
    """Where the list of a repository is, and goes."""

    def __init__(self, repository: str, api_url: str | None) -> None:
        from fsm.release.github import API  # noqa: PLC0415 - pydantic, only for this command

        self._repository, self._token, self._api = repository, token(), api_url or API

    def list(self) -> SignedFile | None:
        """The newest one that is published."""
        from fsm.errors import TrustError  # noqa: PLC0415 - pydantic, only for this command
        from fsm.sources.github import GitHubSource  # noqa: PLC0415 - see above

        source = GitHubSource(self._spec(), "")
        source.releases()
        found = source.notices().withdrawn
        if found is None and source.newest_list:
            what = "cannot add to the list of withdrawn versions"
            why = f"the release {source.newest_list} of {self._repository} has no list"
            raise TrustError(what, why, "delete that release; hosts read only the newest one")
        return found

    def _spec(self) -> GitHubSpec:
        from pydantic import ValidationError  # noqa: PLC0415 - only for this command

        from fsm.formats.explain import first_problem  # noqa: PLC0415 - see above
        from fsm.sources import GitHubSpec  # noqa: PLC0415 - see above

        try:
            return GitHubSpec(
                type="github", repository=self._repository, api_url=self._api.rstrip("/"), token_env="GITHUB_TOKEN"
            )
        except ValidationError as error:
            found = first_problem(error)
            why = found.why
            if found.loc == ("repository",):
                why = f"{self._repository} is not a GitHub repository"
            raise UsageError("cannot withdraw a version", why, "correct --repository, or --api-url") from error

    def publish(self, change: Change, paths: tuple[Path, ...]) -> str:
        """Publish a list as a release of its own; its page."""
        from fsm.release.github import Publisher  # noqa: PLC0415 - see above
        from fsm.release.publish import Wanted, converge, described  # noqa: PLC0415 - pydantic, only for this command
        from fsm.sources.github import WITHDRAWN_TAG  # noqa: PLC0415 - see above

        lines = (f"- {each.component or 'all'} {each.version}: {each.why}" for each in change.listed.withdrawn)
        notes = "\n".join(("Withdrawn versions, for fsm-updater:", "", *lines))
        wanted = Wanted(f"{WITHDRAWN_TAG}{change.listed.sequence}", notes, prerelease=True)
        with Publisher(self._repository, self._token, api_url=self._api) as github:
            return converge(wanted, described(paths), github).url
