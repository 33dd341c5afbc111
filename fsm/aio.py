"""The façade for asyncio programs: the same verbs, awaited, and an update as a stream of events.

::

    updater = AsyncUpdater.from_config()
    task = updater.update("core")
    async for event in task:
        print(event.kind, event.message)
    result = await task

The work of each verb is done in a thread of its own, because it waits for disks and children: the event loop is never
blocked, and no verb waits for another one, however many run.

Cancelling the asyncio task that awaits a verb which changes something asks that to stop at its next safe point, waits
until it has, and then raises `CancelledError`; cancelled again, it stops at once. So the next verb finds nobody at
work. The run stays resumable, and the `Running` can still be awaited for the result. Verbs that only read end at once.
A run that goes on when nobody listens any more is not disturbed by that.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from fsm.adapter import Backup, DataChoice, Finding, KeptData, Registry
from fsm.engine.plan import Plan
from fsm.engine.progress import Observer, ProgressEvent, tell
from fsm.engine.report import ComponentStatus, RunReport, UpdateResult
from fsm.host.checking import CheckResult
from fsm.host.config import Config
from fsm.model import Seconds
from fsm.updater import CANCEL_TIMEOUT, Updater

ResultT = TypeVar("ResultT")


def _in_thread(work: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
    """Do work in a thread that does nothing else: those of the loop's executor are few, and may all be busy."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()

    def ended(tell: Callable[[Any], None], what: object) -> None:
        if not future.done():
            tell(what)

    def run() -> None:
        try:
            end = partial(ended, future.set_result, work())
        except BaseException as error:
            end = partial(ended, future.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(end)

    threading.Thread(target=run, name="fsm-verb").start()
    return future


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
        self._future = _in_thread(partial(work, updater))
        self._future.add_done_callback(lambda _: self._events.put_nowait(None))

    def _heard(self, event: ProgressEvent) -> None:
        """Called in the working thread; a loop that is closed by now is no reason to disturb the run."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    def stop(self) -> None:
        """Ask it to stop at its next safe point; asked twice, at once. The run stays resumable."""
        self._updater.shutdown()

    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def __await__(self) -> Generator[Any, None, ResultT]:
        return self._result().__await__()

    async def _result(self) -> ResultT:
        try:
            return await asyncio.shield(self._future)
        except asyncio.CancelledError:
            await self._stopped()
            raise

    async def _stopped(self) -> None:
        """Ask it to stop, and wait until it has; whoever is cancelled meanwhile asks again."""
        self.stop()
        while not self._future.done():
            try:
                await asyncio.wait([self._future])
            except asyncio.CancelledError:
                self.stop()
        # Looked at: what went wrong with a verb that was cancelled is no news to the loop.
        self._future.exception()

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
            await self._stopped()
            raise


class AsyncUpdater:
    """Updates the components of one host; see `fsm.updater.Updater` for what each verb does and raises.

    Args:
        config: as `from_config` and `from_data` read it; programs call one of these two.
        registry: the component types; by default those of the installed packages.
        observers: called with every `ProgressEvent`, in the working thread; what they raise is logged and ignored.
    """

    def __init__(self, config: Config, *, registry: Registry | None = None, observers: Sequence[Observer] = ()) -> None:
        self.config = config
        self._registry = registry or Registry.discover()
        self._observers = list(observers)
        self._reader = Updater(config, registry=self._registry)
        self._running: list[Running[Any]] = []
        self._ending = False

    @classmethod
    def from_config(
        cls, path: Path | None = None, *, registry: Registry | None = None, observers: Sequence[Observer] = ()
    ) -> AsyncUpdater:
        """Read `fsm.toml`, from `path` or from where it is searched."""
        registry = registry or Registry.discover()
        return cls(Updater.from_config(path, registry=registry).config, registry=registry, observers=observers)

    @classmethod
    def from_data(
        cls,
        data: dict[str, Any],
        *,
        base: Path | None = None,
        registry: Registry | None = None,
        observers: Sequence[Observer] = (),
    ) -> AsyncUpdater:
        """A configuration in memory, in the shape of `fsm.toml`."""
        registry = registry or Registry.discover()
        config = Updater.from_data(data, base=base, registry=registry).config
        return cls(config, registry=registry, observers=observers)

    @property
    def components(self) -> tuple[str, ...]:
        """The configured components' names."""
        return self._reader.components

    def observe(self, observer: Observer) -> None:
        """Add an observer; it also hears what runs already."""
        self._observers.append(observer)

    def stop(self) -> None:
        """Ask what runs to stop at its next safe point; asked twice, at once. What is called later is not stopped."""
        self._reader.stop()
        for each in self._running:
            each.stop()

    def shutdown(self) -> None:
        """Stop as `stop` does, and begin nothing any more: what is called later says `interrupted`."""
        self._ending = True
        self._reader.shutdown()
        for each in self._running:
            each.stop()

    def _run(self, work: Callable[[Updater], ResultT]) -> Running[ResultT]:
        own = Updater(self.config, registry=self._registry, observers=[lambda event: tell(self._observers, event)])
        if self._ending:
            own.shutdown()
        running = Running(own, work)
        self._running = [*(each for each in self._running if not each.done()), running]
        return running

    def _read(self, work: Callable[[Updater], ResultT]) -> asyncio.Future[ResultT]:
        return _in_thread(partial(work, self._reader))

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

    def rollback(self, name: str, *, to: str | None = None, data: DataChoice | None = None) -> Running[UpdateResult]:
        """See `Updater.rollback`."""
        return self._run(lambda updater: updater.rollback(name, to=to, data=data))

    def bring_back(self, name: str, kept: str | int) -> Running[UpdateResult]:
        """See `Updater.bring_back`."""
        return self._run(lambda updater: updater.bring_back(name, kept))

    async def plan_rollback(self, name: str, *, to: str | None = None, data: DataChoice | None = None) -> Plan:
        """See `Updater.plan_rollback`."""
        return await self._read(lambda updater: updater.plan_rollback(name, to=to, data=data))

    async def kept_data(self, name: str) -> Sequence[KeptData]:
        """See `Updater.kept_data`."""
        return await self._read(lambda updater: updater.kept_data(name))

    def cancel(self, name: str, *, timeout: Seconds = CANCEL_TIMEOUT) -> Running[UpdateResult]:
        """See `Updater.cancel`."""
        return self._run(lambda updater: updater.cancel(name, timeout=timeout))

    async def check(self, name: str, *, force: bool = False) -> CheckResult:
        """See `Updater.check`."""
        return await self._read(lambda updater: updater.check(name, force=force))

    async def check_all(self, *, force: bool = False) -> list[CheckResult]:
        """See `Updater.check_all`."""
        return await self._read(lambda updater: updater.check_all(force=force))

    async def plan(self, name: str, *, version: str | None = None, force: bool = False) -> Plan:
        """See `Updater.plan`."""
        return await self._read(lambda updater: updater.plan(name, version=version, force=force))

    async def status(self, name: str | None = None) -> list[ComponentStatus]:
        """See `Updater.status`."""
        return await self._read(lambda updater: updater.status(name))

    async def history(self, name: str | None = None, *, limit: int = 50) -> list[RunReport]:
        """See `Updater.history`."""
        return await self._read(lambda updater: updater.history(name, limit=limit))

    async def show(self, run_id: int) -> tuple[RunReport, Plan | None]:
        """See `Updater.show`."""
        return await self._read(lambda updater: updater.show(run_id))

    async def history_rows(self) -> int:
        """See `Updater.history_rows`."""
        return await self._read(lambda updater: updater.history_rows())

    async def backups(self, name: str) -> Sequence[Backup]:
        """See `Updater.backups`."""
        return await self._read(lambda updater: updater.backups(name))

    async def verify_history(self) -> tuple[list[str], str]:
        """See `Updater.verify_history`."""
        return await self._read(lambda updater: updater.verify_history())

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
        return await self._read(lambda updater: updater.doctor())
