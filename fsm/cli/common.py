"""What several commands share: their options, the façade, and which components are meant."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fsm.cli import loading
from fsm.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from fsm.updater import Updater
    from fsm.versions import Version

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Patience(click.FloatRange):
    """Seconds to wait for an end: a number that a timer and a unit of systemd can take, so a week at most."""

    def __init__(self, *, min: float) -> None:
        super().__init__(min=min, max=7 * 24 * 3600)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`; what is not even a number lies within every range."""
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:  # noqa: PLR0124 - that is how it shows
            self.fail(f"{value} is not a number.", param, ctx)
        return seconds


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The configured components that begin so; reads the file without validating it, to be quick."""
    import tomllib  # noqa: PLC0415 - only when a shell asks

    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

    from fsm.host.places import find, text_of  # noqa: PLC0415 - only when a shell asks

    root = ctx.find_root()
    named = root.params.get("config")
    try:
        data = tomllib.loads(text_of(find(Path(named) if named else None)))
        return [CompletionItem(name) for name in data["components"] if name.startswith(incomplete)]
    except Exception:  # a shell that asks for words must get none rather than an error
        return []


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
name_argument = click.argument("name", required=False, shell_complete=complete_names)
names_argument = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
set_option = click.option("--set", "label", metavar="SET", help="All components of this set, as one.")
all_option = click.option("--all", "every", is_flag=True, help="Every configured component.")


def updater(touching: Collection[str] | None = None) -> Updater:
    """The façade for the configuration that the call names.

    Args:
        touching: see `fsm.cli.loading.updater`.

    Raises:
        ConfigError: with file, key and remedy.
    """
    return loading.updater(config_path(), touching)


def config_path() -> Path | None:
    """What ``--config`` names."""
    named = click.get_current_context().find_root().params.get("config")
    return Path(named) if named else None


def chosen(names: Sequence[str], configured: Sequence[str], *, every: bool = False) -> list[str]:
    """The components that a call means: those it names, all, or the only one there is.

    Raises:
        UsageError: it does not say, or says both.
    """
    if names and every:
        raise UsageError("cannot use names together with --all", "they exclude each other", "leave one of them out")
    if names:
        return list(dict.fromkeys(names))
    if every or len(configured) == 1:
        return list(configured)
    if not configured:
        raise UsageError("there is nothing to do", "no component is configured", "add one to the configuration")
    known = ", ".join(configured)
    raise UsageError("no component is named", f"several are configured: {known}", "name one or more, or use --all")


def of_set(label: str | None, names: Sequence[str], every: bool, known: Updater) -> list[str]:
    """The members of the set that a call names; none where it names no set.

    Raises:
        UsageError: there is no such set, or the call names components as well.
    """
    if label is None:
        return []
    if names or every:
        raise UsageError(
            "cannot use --set together with names or --all", "a set names its components", "leave the rest out"
        )
    return list(known.config.set_of(label))


def only(name: str | None, configured: Sequence[str]) -> str:
    """The one component that a call means: the one it names, or the only one there is.

    Raises:
        UsageError: it does not say.
    """
    if name:
        return name
    if len(configured) == 1:
        return configured[0]
    known = ", ".join(configured) or "none"
    raise UsageError("no component is named", f"the configured ones are: {known}", "name one of them")


def version(text: str) -> Version:
    """A version that a person has typed.

    Raises:
        UsageError: it is none.
    """
    from fsm.versions import Version  # noqa: PLC0415 - packaging, only for those who ask

    found = Version.parse(text)
    if found is None:
        raise UsageError(f"{text!r} is not a version", "", "write it like 1.4.0 or 2.0.0rc1")
    return found


def read_text(path: str) -> str:
    """A small text file that a person has named.

    Raises:
        UsageError: it cannot be read; nothing of its content is told.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(1 << 20).decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot read {path}", (error.strerror or "it is not a file").lower(), "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}", "it is not a text file", "check the path") from error
