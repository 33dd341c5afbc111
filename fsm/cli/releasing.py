"""What several commands of `fsm release` share: options, and who is meant by them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from fsm.cli import common
from fsm.errors import UsageError
from fsm.system.inherited import withhold

if TYPE_CHECKING:
    from fsm.formats.trust import SecretKey

output_option = click.option(
    "--output", "-o", "to", metavar="DIR", default="dist", show_default=True, help="Directory for the results."
)
repository_option = click.option(
    "--repository",
    metavar="OWNER/NAME",
    envvar="GITHUB_REPOSITORY",
    help="Repository on GitHub. Default: $GITHUB_REPOSITORY.",
)
key_option = click.option(
    "--key", "keys", metavar="FILE", multiple=True, type=click.Path(), help="Secret key to sign with; repeatable."
)
api_url_option = click.option(
    "--api-url", metavar="URL", envvar="GITHUB_API_URL", help="API of GitHub Enterprise. Default: $GITHUB_API_URL."
)


def named(repository: str | None) -> str:
    """The repository, as ``owner/name``, in the form that hosts can name (`RepositoryName`).

    Raises:
        UsageError: nothing says which.
    """
    from fsm.formats.trust.documents import REPOSITORY_NAME  # noqa: PLC0415 - pydantic, only for these commands
    from fsm.model import matches  # noqa: PLC0415 - see above

    if not matches(REPOSITORY_NAME, repository or ""):
        raise UsageError("cannot continue", "the repository is unknown", "give --repository OWNER/NAME")
    return str(repository)


def token() -> str:
    """The token for GitHub, from the environment.

    Raises:
        UsageError: there is none.
    """
    found = os.environ.get(withhold("GITHUB_TOKEN"), "").strip()
    if not found.isascii() or not found.isprintable() or not found:
        why = "$GITHUB_TOKEN is empty" if not found else "$GITHUB_TOKEN is not a token"
        raise UsageError("cannot publish", why, "give the step `env: GITHUB_TOKEN: ${{ github.token }}`")
    return found


def signing_keys(paths: tuple[str, ...]) -> tuple[SecretKey, ...]:
    """The keys that sign: those named, else that in the environment.

    Raises:
        UsageError, TrustError: one cannot be read.
    """
    given = [common.read_text(path) for path in paths] or [os.environ.get("FSM_SIGNING_KEY", "")]
    texts = [text for text in given if text.strip()]
    if not texts:
        return ()
    from fsm.release.signing import loaded  # noqa: PLC0415 - keys, only for those who have some

    return loaded(texts, os.environ.get("FSM_KEY_PASSWORD"))
