"""A host with two Python apps that are a set: `app`, and `second`, which depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fsm.services import ServiceManager, open_service
from fsm.system.processes import Identity
from tests.app_fixture import AppFixture, Kind, Trait, _Patient


class Pair(AppFixture):
    """Like one fixture; what is done to it is done to both apps, and they are asked as one.

    Args:
        root: as for `AppFixture`.
        spec: as for `AppFixture`, for both.
    """

    set_name: Final = "both"

    def __init__(self, root: Path, **spec: Any) -> None:
        super().__init__(root, **spec)
        self.other = AppFixture(root / "second", **spec)

    @property
    def config(self) -> dict[str, Any]:
        """Both components, and the set."""
        whole = super().config
        whole["components"]["second"] = {**self.other.config["components"]["app"], "depends_on": ["app"]}
        whole["sets"] = {self.set_name: ["second", "app"]}
        return whole

    def publish(
        self,
        version: str,
        *traits: Trait,
        kind: Kind = "tar.gz",
        top: bool = True,
        extra: Mapping[str, bytes] | None = None,
        manifest: str | None = None,
    ) -> Path:
        """Publish a release of both; only the second one has traits."""
        self.other.publish(version, *traits, kind=kind, top=top, extra=extra, manifest=manifest)
        return super().publish(version, kind=kind, top=top, extra=extra, manifest=manifest)

    def install(self, version: str, *traits: Trait) -> None:
        """See `AppFixture.install`."""
        super().install(version, *traits)
        self.other.install(version, *traits)

    def furnish(self) -> None:
        """See `AppFixture.furnish`."""
        super().furnish()
        self.other.furnish()

    def start(self) -> None:
        """Start both."""
        self.manager().start(_Patient())
        self._second().start(_Patient())
        assert self.answer() is not None

    def stop(self) -> None:
        """Stop both."""
        self._second().stop(_Patient())
        super().stop()

    def answer(self, timeout: float = 5.0) -> str | None:
        """What both tell; both answers where they differ."""
        return _as_one(super().answer(timeout), self.other.answer(timeout))

    def version(self) -> str | None:
        """What both version files say."""
        return _as_one(super().version(), self.other.version())

    def silent(self) -> bool:
        """Whether neither answers."""
        return super().silent() and self.other.silent()

    def processes(self) -> list[Identity]:
        """Those of both."""
        return [*super().processes(), *self.other.processes()]

    def _second(self) -> ServiceManager:
        spec: Any = self.updater().config.component("second").spec
        return open_service(spec.service, name="second", state_dir=self.state)


def _as_one(one: str | None, other: str | None) -> str | None:
    return one if one == other else f"{one} and {other}"
