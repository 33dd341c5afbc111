"""The commands, and how each is found without importing the others."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from fsm.cli import commands
from fsm.version import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """One command: its name, where it is (``module:object``), and its line in the list."""

    name: str
    where: str
    help: str


COMMANDS: Final = (
    Entry("check", "fsm.cli.check:check", "Ask the sources for newer releases."),
    Entry("plan", "fsm.cli.plan:plan", "Show what an update would do, without changing anything."),
    Entry("update", "fsm.cli.update:update", "Update components to their newest release."),
    Entry("resume", "fsm.cli.update:resume", "Continue what a crash or an interrupt left unfinished."),
    Entry("rollback", "fsm.cli.rollback:rollback", "Go back to a version kept on this host."),
    Entry("data", "fsm.cli.data:data", "List files that were set aside, and bring them back."),
    Entry("cancel", "fsm.cli.rollback:cancel", "Roll back the update that is in progress."),
    Entry("status", "fsm.cli.status:status", "Show the state of every component."),
    Entry("history", "fsm.cli.history:history", "List past runs, or verify the journal."),
    Entry("show", "fsm.cli.history:show", "Show everything about one run."),
    Entry("hold", "fsm.cli.policy:hold", "Block updates until `unhold`."),
    Entry("unhold", "fsm.cli.policy:unhold", "Allow updates again after `hold`."),
    Entry("pin", "fsm.cli.policy:pin", "Keep a component at a version or within a range."),
    Entry("doctor", "fsm.cli.doctor:doctor", "Find problems that would make updates fail on this host."),
    Entry("install-service", "fsm.cli.install:install_service", "Resume at boot and check for releases, by systemd."),
    Entry("release", "fsm.cli.release:release", "Build, check, publish and withdraw releases."),
    Entry("keys", "fsm.cli.keys:keys", "Create, show, replace and revoke signing keys."),
    Entry("init", "fsm.cli.init:init", "Write a commented fsm.toml to start from."),
    Entry("completion", "fsm.cli.completion:completion", "Print the completion script for a shell."),
)
"""In the order of the list. A test holds each line equal to the command's own help."""

_BY_NAME: Final = {entry.name: entry for entry in COMMANDS}


class Lazy(commands.Group):
    """A group that imports a command's module when that command is called, and for nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the table's order."""
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        entry = _BY_NAME.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.where.partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, or an error with a suggestion."""
        if args[0] not in _BY_NAME and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # noqa: PLC0415 - only for an error message

            close = get_close_matches(args[0][:60], _BY_NAME, n=1)
            ctx.fail(f"there is no command {args[0]!r}" + (f", did you mean {close[0]!r}" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in COMMANDS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands from the table, options as usual."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

        commands = [CompletionItem(each.name, help=each.help) for each in COMMANDS if each.name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(
    "fsm",
    cls=Lazy,
    examples=("fsm check", "fsm --config /etc/fsm/fsm.toml update --all"),
)
@click.option(
    "--config",
    metavar="PATH",
    type=click.Path(),
    help="Configuration file. Default: $FSM_CONFIG, ./fsm.toml or /etc/fsm/fsm.toml.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def fsm(config: str | None) -> None:
    """Update what is installed on this host, safe against crashes, power cuts and bad releases.

    `fsm resume` continues an interrupted run. Exit codes: 0 done or up to date, 2 wrong usage or configuration, 10
    update available (check --exit-code), 20 refused, 30 rolled back, 40 failed and needs attention, 50 busy,
    75 interrupted.
    """
