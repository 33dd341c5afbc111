"""Writing the units of `fsm.host.boot.units` to where systemd finds them, enabling them, and taking them away again.

May be called again at any time: a unit that is as it should be is not written. Each file is replaced in one step, and
what is not ours is never touched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fsm.adapter import CommandResult, Finding
from fsm.errors import CommandFailed, ConfigError, FsmError, Refused
from fsm.host.boot import units
from fsm.host.config import Component, Config
from fsm.model import Model, Seconds
from fsm.services import SystemdSpec
from fsm.services.systemctl import RUNNING, Systemctl
from fsm.system import files
from fsm.system.exit_codes import exited
from fsm.system.shell import Shell

SYSTEM: Final = Path("/etc/systemd/system")
_TIME: Final = 60.0
_ENABLED: Final = (units.RESUME, units.TIMER)


class InstalledUnits(Model):
    """What became of the units.

    Attributes:
        directory: where they are.
        written: names of those that were new or different.
        unchanged: names of those that were as they should be.
        removed: names of those that were taken away.
        notes: what is left to do, one sentence each.
    """

    directory: Path
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Installer:
    """The units of one configuration.

    Args:
        config: read from a file.
        user: units of the user who runs this, not of the system.
        within: seconds that a run may go on after a boot.
        directory: where the units go; by default where systemd looks.

    Raises:
        ConfigError: the configuration has no file that a unit could name.
    """

    def __init__(
        self, config: Config, *, user: bool, within: Seconds = units.WITHIN, directory: Path | None = None
    ) -> None:
        if config.path is None:
            raise ConfigError("cannot create the units", "the configuration is not a file", "save it to a file")
        self._user = user
        self._directory = directory or (_user_directory() if user else SYSTEM)
        self._systemctl = Systemctl(user=user, timeout=10.0)
        self.texts = units.texts(_facts(config, config.path, user, within))
        """The units' texts, by name."""

    def install(self) -> InstalledUnits:
        """Write and enable the units.

        Raises:
            Refused: this user may not, or a file there is not ours.
            ConfigError: a file cannot be written.
            CommandFailed: systemd refuses.
        """
        self._refuse_others()
        self._refuse_foreign()
        different = [name for name, text in self.texts.items() if self._read(name) != text]
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for name in different:
                files.write_atomic(self._directory / name, self.texts[name].encode())
        except OSError as error:
            raise ConfigError(f"cannot write the units to {self._directory}", str(error), "mend that") from error
        notes = self._enable()
        return InstalledUnits(
            directory=self._directory,
            written=tuple(different),
            unchanged=tuple(name for name in self.texts if name not in different),
            notes=(*notes, *self._linger()),
        )

    def remove(self) -> InstalledUnits:
        """Disable the units and take them away; nothing happens where there are none.

        Raises:
            Refused: this user may not.
            ConfigError: a file cannot be removed.
            CommandFailed: systemd refuses.
        """
        self._refuse_others()
        ours = [name for name in self.texts if (self._read(name) or "").startswith(units.HEAD)]
        if ours:
            # Disabled while they are there: it is the files that say where they were enabled.
            self._call("disable", *(name for name in _ENABLED if name in ours))
            if self._booted and units.TIMER in ours:
                self._call("stop", units.TIMER)
        try:
            for name in ours:
                (self._directory / name).unlink()
            if ours:
                files.sync_dir(self._directory)
        except OSError as error:
            raise ConfigError(f"cannot remove the units in {self._directory}", str(error), "mend that") from error
        if ours and self._booted:
            self._call("daemon-reload")
        return InstalledUnits(directory=self._directory, removed=tuple(ours), notes=self._left(ours))

    def stale(self) -> list[str]:
        """Names of installed units that the configuration would have otherwise."""
        found = {name: self._read(name) for name in self.texts}
        return [
            name
            for name, text in found.items()
            if text is not None and units.comparable(text) != units.comparable(self.texts[name])
        ]

    def installed(self) -> bool:
        """Whether a resume unit of ours is there."""
        return (self._read(units.RESUME) or "").startswith(units.HEAD)

    @property
    def _booted(self) -> bool:
        """Whether a manager runs that would have to be told; in an image that is being built none does."""
        if not self._user:
            return RUNNING.is_dir()
        where = self._systemctl.variables.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR", "")
        return Path(where, "systemd", "private").exists()

    def _enable(self) -> tuple[str, ...]:
        if self._booted:
            self._call("daemon-reload")
        self._call("enable", *_ENABLED)
        if self._booted:
            self._call("start", units.TIMER)
            return ()
        return ("systemd is not running: they take effect once it is",)

    def _call(self, verb: str, *names: str) -> None:
        offline = {} if self._booted else {"SYSTEMD_OFFLINE": "1"}
        shell = Shell(marker="install-service", record=lambda child: None, poll=lambda: None)
        argv = self._systemctl.command(verb, *names)
        done: CommandResult = shell.run(argv, env=self._systemctl.variables | offline, timeout=_TIME)
        if done.code != 0:
            raise CommandFailed(
                f"cannot {verb} {' '.join(names) or 'the units'}",
                f"systemctl {exited(done.code)}: {' '.join(done.tail.split())[-400:]}",
                "fix the cause, then run the command again",
            )

    def _read(self, name: str) -> str | None:
        path = self._directory / name
        try:
            return None if path.is_symlink() else path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"cannot read {path}", error.strerror or str(error), "check its permissions") from error

    def _refuse_others(self) -> None:
        if not self._user and os.geteuid() != 0:
            name = _user_name()
            raise Refused(
                "cannot install units of the system",
                f"the current user is {name}, not root",
                "run it as root, or use --user for units of this user",
            )

    def _refuse_foreign(self) -> None:
        for name in self.texts:
            path = self._directory / name
            if path.is_symlink():
                masked = os.readlink(path) == "/dev/null"
                why = "it is masked" if masked else f"it is a symbolic link to {os.readlink(path)}"
                user = " --user" if self._user else ""
                todo = f"systemctl{user} unmask {name}" if masked else "remove that link"
                raise Refused(f"cannot write {path}", why, todo)
            if not (self._read(name) or units.HEAD).startswith(units.HEAD):
                why = "it exists already, and this command did not write it"
                raise Refused(f"cannot write {path}", why, "move it away, or keep it and write the others by hand")

    def _linger(self) -> tuple[str, ...]:
        name = _user_name()
        if not self._user or Path("/var/lib/systemd/linger", name).exists():
            return ()
        when = f"units of {name} run only while {name} is logged in"
        return (f"{when}; to start them at boot: loginctl enable-linger {name}",)

    def _left(self, ours: list[str]) -> tuple[str, ...]:
        """Drop-ins are people's own; they stay."""
        left = [self._directory / f"{name}.d" for name in ours if (self._directory / f"{name}.d").is_dir()]
        return tuple(f"{path} has settings of your own and was kept" for path in left)


def examine(config: Config) -> Iterator[Finding]:
    """What `fsm doctor` says about the boot: whether an interrupted update is continued at the next one."""
    if config.path is None or not config.components or not RUNNING.is_dir():
        return
    subject, user = "boot", os.geteuid() != 0
    option = " --user" if user else ""
    installer = Installer(config, user=user)
    if not installer.installed():
        message = "nothing resumes interrupted updates after a reboot"
        yield Finding(level="warning", subject=subject, message=message, todo=f"run `fsm install-service{option}`")
        return
    try:
        found = Systemctl(user=user, timeout=10.0).show(units.RESUME)
    except FsmError as error:
        yield Finding(level="warning", subject=subject, message=error.cause, todo=error.todo)
        return
    if found.file_state not in ("enabled", "enabled-runtime"):
        message = f"{units.RESUME} is installed, but {found.file_state or 'not known to systemd'}"
        yield Finding(level="warning", subject=subject, message=message, todo=f"run `fsm install-service{option}`")
    elif installer.stale():
        message = f"{', '.join(installer.stale())}: out of date for this configuration"
        yield Finding(level="warning", subject=subject, message=message, todo=f"run `fsm install-service{option}`")
    else:
        yield Finding(level="ok", subject=subject, message=f"{units.RESUME} resumes interrupted updates")


def _facts(config: Config, path: Path, user: bool, within: Seconds) -> units.Facts:
    components = config.components.values()
    kept = ("XDG_STATE_HOME", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT")
    return units.Facts(
        command=(sys.executable, "-P", "-m", "fsm", "--config", str(path)),
        user=user,
        environment={name: os.environ[name] for name in kept if os.environ.get(name)},
        before=tuple(sorted({unit for each in components for unit in _managed(each, user)})),
        mounts=tuple(
            sorted({path.parent, config.state_dir.absolute(), *(p for each in components for p in _paths(each))})
        ),
        within=within,
        hours=config.settings.check_interval_hours,
    )


def _managed(component: Component, user: bool) -> Iterator[str]:
    for spec in component.services.values():
        if isinstance(spec, SystemdSpec) and spec.user == user:
            # Not its triggers: a socket stands before everything that a service stands behind.
            yield spec.unit


def _paths(component: Component) -> Iterator[Path]:
    """Where a component and its services have something: what a resume must find. A source is not waited for."""
    for spec in (component.spec, *component.services.values()):
        for value in (getattr(spec, name) for name in type(spec).model_fields):
            several = value if isinstance(value, tuple) else (value,)
            yield from (each for each in several if isinstance(each, Path) and each.is_absolute())


def _user_directory() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _user_name() -> str:
    import pwd  # noqa: PLC0415 - not on Windows

    return pwd.getpwuid(os.geteuid()).pw_name
