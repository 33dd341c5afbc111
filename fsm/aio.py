"""The façade for asyncio programs: the same verbs, awaited, and an update as a stream of events.

::

    updater = AsyncUpdater.from_config()
    task = updater.update("core")
    async for event in task:
        print(event.kind, event.message)
    result = await task

The work is done in a thread of its own, because it waits for disks and children; the event loop is never blocked.
Cancelling the asyncio task that awaits it, or its next event, asks the run to stop at its next safe point; it stays
resumable. A run that goes on when nobody listens any more is not disturbed by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from fsm.adapter import Finding, Registry
from fsm.engine.plan import Plan
from fsm.engine.progress import ProgressEvent
from fsm.engine.report import ComponentStatus, RunReport, UpdateResult
from fsm.host.checking import CheckResult
from fsm.host.config import Config
from fsm.model import Seconds
from fsm.updater import Updater

ResultT = TypeVar("ResultT")


class Running(Generic[ResultT]):
    """A verb at work: await it for the result, iterate over it for events. Starts when it is made.

    Args:
        updater: of its own, so that stopping this verb stops no other.
        work: what to do with it, in a thread.
    """

    def __init__(self, updater: Updater, work: Callable[[Updater], ResultT]) -> None:
        self._updater = updater
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[ProgressEvent | None] = asyncio.Queue()
        updater.observe(self._heard)
        self._future = self._loop.run_in_executor(None, work, updater)
        self._future.add_done_callback(lambda _: self._events.put_nowait(None))

    def _heard(self, event: ProgressEvent) -> None:
        """Called in the working thread; a loop that is closed by now is no reason to disturb the run."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    def stop(self) -> None:
        """Ask it to stop at its next safe point; asked twice, at once. The run stays resumable."""
        self._updater.stop()

    def __await__(self) -> Generator[Any, None, ResultT]:
        return self._result().__await__()

    async def _result(self) -> ResultT:
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            self._updater.stop()
            raise

    async def __aiter__(self) -> AsyncIterator[ProgressEvent]:
        while (event := await self._next()) is not None:
            yield event
        # For whoever listens beside this one, or once more.
        self._events.put_nowait(None)

    async def _next(self) -> ProgressEvent | None:
        try:
            return await self._events.get()
        except asyncio.CancelledError:
            # A program that is cancelled is cancelled here rather than where it waits for the result.
            self._updater.stop()
            raise


class AsyncUpdater:
    """Updates the components of one host; `Updater` says what each verb does and raises.

    Args:
        config: as `from_config` and `from_data` read it; programs call one of these two.
        registry: the component types; by default those of the installed packages.
    """

    def __init__(self, config: Config, *, registry: Registry | None = None) -> None:
        self.config = config
        self._registry = registry or Registry.discover()

    @classmethod
    def from_config(cls, path: Path | None = None, *, registry: Registry | None = None) -> AsyncUpdater:
        """Read `fsm.toml`, from `path` or from where it is searched."""
        return cls(Updater.from_config(path, registry=registry).config, registry=registry)

    @classmethod
    def from_data(
        cls, data: dict[str, Any], *, base: Path | None = None, registry: Registry | None = None
    ) -> AsyncUpdater:
        """A configuration in memory, in the shape of `fsm.toml`."""
        return cls(Updater.from_data(data, base=base, registry=registry).config, registry=registry)

    def _run(self, work: Callable[[Updater], ResultT]) -> Running[ResultT]:
        return Running(Updater(self.config, registry=self._registry), work)

    def update(self, name: str, *, version: str | None = None, force: bool = False) -> Running[UpdateResult]:
        """See `Updater.update`."""
        return self._run(lambda updater: updater.update(name, version=version, force=force))

    def update_all(
        self, names: Sequence[str] | None = None, *, jobs: int | None = None, force: bool = False
    ) -> Running[list[UpdateResult]]:
        """See `Updater.update_all`."""
        return self._run(lambda updater: updater.update_all(names, jobs=jobs, force=force))

    def update_set(
        self, members: str | Sequence[str], *, jobs: int | None = None, force: bool = False
    ) -> Running[list[UpdateResult]]:
        """See `Updater.update_set`."""
        return self._run(lambda updater: updater.update_set(members, jobs=jobs, force=force))

    def resume(self, name: str | None = None, *, within: Seconds | None = None) -> Running[list[UpdateResult]]:
        """See `Updater.resume`."""
        return self._run(lambda updater: updater.resume(name, within=within))

    def rollback(self, name: str, *, to: str | None = None) -> Running[UpdateResult]:
        """See `Updater.rollback`."""
        return self._run(lambda updater: updater.rollback(name, to=to))

    def cancel(self, name: str, *, timeout: Seconds = 600.0) -> Running[UpdateResult]:
        """See `Updater.cancel`."""
        return self._run(lambda updater: updater.cancel(name, timeout=timeout))

    async def check(self, name: str, *, force: bool = False) -> CheckResult:
        """See `Updater.check`."""
        return await self._run(lambda updater: updater.check(name, force=force))

    async def check_all(self, *, force: bool = False) -> list[CheckResult]:
        """See `Updater.check_all`."""
        return await self._run(lambda updater: updater.check_all(force=force))

    async def plan(self, name: str, *, version: str | None = None, force: bool = False) -> Plan:
        """See `Updater.plan`."""
        return await self._run(lambda updater: updater.plan(name, version=version, force=force))

    async def status(self, name: str | None = None) -> list[ComponentStatus]:
        """See `Updater.status`."""
        return await self._run(lambda updater: updater.status(name))

    async def history(self, name: str | None = None, *, limit: int = 50) -> list[RunReport]:
        """See `Updater.history`."""
        return await self._run(lambda updater: updater.history(name, limit=limit))

    async def show(self, run_id: int) -> tuple[RunReport, Plan | None]:
        """See `Updater.show`."""
        return await self._run(lambda updater: updater.show(run_id))

    async def verify_history(self) -> tuple[list[str], str]:
        """See `Updater.verify_history`."""
        return await self._run(lambda updater: updater.verify_history())

    async def hold(self, name: str, why: str = "") -> None:
        """See `Updater.hold`."""
        await self._run(lambda updater: updater.hold(name, why))

    async def unhold(self, name: str) -> None:
        """See `Updater.unhold`."""
        await self._run(lambda updater: updater.unhold(name))

    async def pin(self, name: str, pin: str | None) -> None:
        """See `Updater.pin`."""
        await self._run(lambda updater: updater.pin(name, pin))

    async def doctor(self) -> list[Finding]:
        """See `Updater.doctor`."""
        return await self._run(lambda updater: updater.doctor())
