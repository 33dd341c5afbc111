"""What `fsm resume` needs of a host, and no more: a frozen plan goes on without a configuration that is valid.

The journal says what is in progress and the plan how it goes on. Of the configuration only the place of the state and
the two numbers that drive runs are read; all of it is read, and validated, when a run is still in `checking`. So a
mistake in `fsm.toml` keeps no host half updated, and a boot need not wait for what nobody asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fsm.adapter import Registry
from fsm.engine.progress import Observer
from fsm.engine.scheduling import JOBS
from fsm.errors import FsmError
from fsm.host.context import Host
from fsm.host.places import find, settings_in, state_dir_of, text_of
from fsm.host.resuming import Resuming
from fsm.lifecycle import State
from fsm.model import Seconds

if TYPE_CHECKING:
    from fsm.engine.report import UpdateResult
    from fsm.host.config import Config


class _Settings(NamedTuple):
    """What drives runs; see `fsm.host.config.Settings`."""

    jobs: int
    deadlines: Mapping[State, Seconds]
    pass_environment: tuple[str, ...] = ()


class _Later:
    """Stands for a `Config`, which is read and validated once more than this is asked of it."""

    def __init__(self, path: Path, registry: Registry, text: str) -> None:
        self.path = path
        self._table = settings_in(text)
        self.state_dir = state_dir_of(self._table, path.parent)
        self.journal = self.state_dir / "journal.db"
        self._registry = registry

    @cached_property
    def settings(self) -> Any:
        """What is this host's own is validated with all the rest; nearly no host has any of it."""
        jobs = self._table.get("jobs", JOBS)
        own = self._table.keys() & {"deadlines", "pass_environment"}
        if own or type(jobs) is not int or not 1 <= jobs <= 64:
            return self._whole.settings
        return _Settings(jobs, {})

    @cached_property
    def _whole(self) -> Config:
        from fsm.host.config import load  # noqa: PLC0415 - not for a plan that is frozen

        return load(self.path, self._registry)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)


class Resumer:
    """Resumes the runs of one host; the part of `fsm.updater.Updater` that `fsm resume` is.

    Args:
        explicit: the configuration that the call names.

    Raises:
        ConfigError: there is no configuration, or it does not even say where the state is.
    """

    def __init__(self, explicit: Path | None) -> None:
        registry = Registry.discover()
        self._host = Host(cast("Config", _config(find(explicit), registry)), registry, ())

    @property
    def components(self) -> tuple[str, ...]:
        """The configured components' names."""
        return tuple(self._host.config.components)

    def observe(self, observer: Observer) -> None:
        """Add an observer."""
        self._host.observers.append(observer)

    def shutdown(self) -> None:
        """See `Updater.shutdown`."""
        self._host.controls.shutdown()

    def resume(self, name: str | None = None, *, within: Seconds | None = None) -> list[UpdateResult]:
        """See `Updater.resume`."""
        with self._host.at_work() as host:
            return Resuming(host).resume(name, within=within)


def _config(path: Path, registry: Registry) -> Config | _Later:
    try:
        return _Later(path, registry, text_of(path))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, FsmError):
        from fsm.host.config import load  # noqa: PLC0415 - only to say properly what is wrong

        return load(path, registry)
