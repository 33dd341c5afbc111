"""What is interrupted: the ways of an update, and the fault points that lie on each of them.

Which scenario comes to which point stands in `points.txt` and is not computed, so that a reader sees what the matrix
covers, and every worker collects the same tests. `test_matrix` compares it with what the code really passes;
``python -m tests.crash.record`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from tests.app_fixture import AppFixture, wheel, write
from tests.crash import git_scenarios
from tests.git_fixture import GitFixture
from tests.pair import Pair

Kind = Literal["python_app", "pair", "git"]
FIXTURE_OF: Final[dict[Kind, type[AppFixture]]] = {"python_app": AppFixture, "pair": Pair, "git": GitFixture}

Outcome = Literal["done", "rolled_back"]
Verb = Literal["update", "rollback", "update_set", "bring_back", "bring_back_written"]
Way = Literal["exchange", "renames", "copy"]


@dataclass(frozen=True)
class Scenario:
    """One way that is interrupted everywhere.

    Attributes:
        verb: what is called.
        way: how the trees change places.
        prepare: makes the host as it is before; the result is copied for every crash case.
        outcome: how a run ends that nobody disturbs, and so every run that is resumed.
        version: what is installed and answers then; None: nothing.
        before: what is installed and answers before.
        options: the further arguments of its fixture.
        only: prefixes of the points at which this scenario is killed; all, unless it is a slow one.
        kind: the component type; a pair is two Python apps that are a set.
        changed: of a git checkout: what is changed in it afterwards, as ``git status`` tells it.
        publish: publishes one more release, a good one, of a version.
    """

    verb: Verb
    way: Way
    prepare: Callable[[Any], None]
    outcome: Outcome
    version: str | None
    before: str | None = "1.0.0"
    options: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ("",)
    kind: Kind = "python_app"
    changed: str = ""
    publish: Callable[[Any, str], object] = lambda app_fixture, version: app_fixture.publish(version)

    @property
    def apps(self) -> int:
        """How many there are."""
        return 2 if self.kind == "pair" else 1

    def make_fixture(self, root: Path) -> AppFixture:
        """The host of this scenario."""
        return FIXTURE_OF[self.kind](root, **self.options)


def _history(app_fixture: AppFixture, *traits: Any) -> None:
    """An app that was updated once, so that a backup is there, and that has local files."""
    app_fixture.install("0.9.0")
    app_fixture.furnish()
    app_fixture.start()
    app_fixture.publish("1.0.0")
    assert app_fixture.updater().update("app").outcome == "done"
    app_fixture.stop()
    write(app_fixture.live / "local.txt", b"nobody knows of this file either\n")
    write(app_fixture.live / "lib/own.txt", b"beside the release's own files\n")


def good(app_fixture: AppFixture) -> None:
    """A better release is there."""
    _history(app_fixture)
    app_fixture.publish("1.1.0")


def broken(app_fixture: AppFixture) -> None:
    """A release is there that fails its checks after it has written something."""
    _history(app_fixture)
    app_fixture.publish("1.1.0", "BROKEN", "WRITES")


def broken_backup(app_fixture: AppFixture) -> None:
    """The version that is gone back to no longer passes its checks."""
    _history(app_fixture)
    (app_fixture.work / "backups" / "0.9.0@1" / "tree" / "BROKEN").touch()


def worked_with(app_fixture: AppFixture) -> None:
    """People have worked with it since the update: a file changed, one is new, one is gone."""
    good(app_fixture)
    write(app_fixture.live / "data/log", b"written since\n", mode=0o640)
    write(app_fixture.live / "data/deep/added", b"new\n")
    (app_fixture.live / "data/dangling").unlink()


def worked_with_broken_backup(app_fixture: AppFixture) -> None:
    """The same, and the version that is gone back to no longer passes its checks."""
    worked_with(app_fixture)
    (app_fixture.work / "backups" / "0.9.0@1" / "tree" / "BROKEN").touch()


def worked_with_broken_data(app_fixture: AppFixture) -> None:
    """The same, and the app does not work with the files that it had then."""
    worked_with(app_fixture)
    write(app_fixture.work / "backups" / "0.9.0@1" / "tree" / "data" / "BROKEN", b"")


def worked_with_once_broken(app_fixture: AppFixture) -> None:
    """The same, and a version that was rolled back has written files."""
    worked_with(app_fixture)
    write(app_fixture.work / "aside" / "1" / "data" / "log", b"written by it\n")
    write(app_fixture.work / "aside" / "1" / "data" / "deep" / "own", b"its own\n")


def worked_with_twice_broken(app_fixture: AppFixture) -> None:
    """The same, and the app does not work with those."""
    worked_with_once_broken(app_fixture)
    write(app_fixture.work / "aside" / "1" / "data" / "BROKEN", b"")


def first(app_fixture: AppFixture) -> None:
    """Nothing is installed."""
    app_fixture.publish("1.1.0")


def first_broken(app_fixture: AppFixture) -> None:
    """Nothing is installed, and the only release is broken."""
    app_fixture.publish("1.1.0", "BROKEN", "WRITES")


def _with_environment(version: str) -> dict[str, bytes]:
    """Requirements of a release, with the wheel that fulfils them, and a migration."""
    return {
        "requirements.txt": f"tiny=={version}\n".encode(),
        f"wheels/tiny-{version}-py3-none-any.whl": wheel("tiny", version, {"tiny.py": b"here = True\n"}),
        "migrate.py": b"open('migrated', 'w').close()\n",
    }


def _environment_history(app_fixture: AppFixture) -> None:
    app_fixture.install("0.8.0")
    app_fixture.furnish()
    app_fixture.start()
    for version in ("0.9.0", "1.0.0"):
        app_fixture.publish(version, extra=_with_environment(version))
        assert app_fixture.updater().update("app").outcome == "done"
    app_fixture.stop()
    write(app_fixture.live / "local.txt", b"nobody knows of this file either\n")


def environment(app_fixture: AppFixture) -> None:
    """A release with requirements of its own, a migration, and an archive as backup."""
    _environment_history(app_fixture)
    app_fixture.publish("1.1.0", extra=_with_environment("1.1.0"))


def environment_broken(app_fixture: AppFixture) -> None:
    """The same, but it fails."""
    _environment_history(app_fixture)
    app_fixture.publish("1.1.0", "BROKEN", extra=_with_environment("1.1.0"))


def one_with_environment(app_fixture: AppFixture, version: str) -> None:
    """One more of them."""
    app_fixture.publish(version, extra=_with_environment(version))


def pair(app_fixture: AppFixture) -> None:
    """Two apps, with a better release of each."""
    app_fixture.install("1.0.0")
    app_fixture.furnish()
    app_fixture.publish("1.1.0")


def pair_broken(app_fixture: AppFixture) -> None:
    """The same, but the second one's release is broken."""
    app_fixture.install("1.0.0")
    app_fixture.furnish()
    app_fixture.publish("1.1.0", "BROKEN", "WRITES")


RETENTION: Final = {"retention": {"count": 1, "days": 0}, "settle_seconds": 0}
ENVIRONMENT: Final = {
    **RETENTION,
    "backup": "archive",
    "backup_dir": "{root}/kept",
    "environment": {"smoke": ["-c", "import tiny"]},
    "migration": {"command": ["{python}", "migrate.py"]},
}
RESTORE: Final = {**RETENTION, "rollback_data": "restore"}
BROKEN_BY_DATA: Final = {
    **RETENTION,
    "post_checks": [{"type": "command", "argv": ["test", "!", "-e", "{live}/data/BROKEN"], "timeout_seconds": 20}],
}
KEEP: Final = {**RETENTION, "rollback_data": "keep"}
TOGETHER: Final = ("set.", "journal.")
OF_DATA: Final = ("bring_back.", "data.", "files.")
SLOW: Final = ("environment.", "shell.", "migrate.", "archive.", "tidy.", "step.")

CONTROL: Final = str(Path(__file__).with_name("control.py"))
COMMANDS: Final = {
    **RETENTION,
    "service": {
        "manager": "command",
        "cwd": "{live}",
        **{verb: [sys.executable, "-S", "-I", CONTROL, verb, "{socket}"] for verb in ("start", "stop", "status")},
    },
}

_WAYS: Final[tuple[tuple[str, Verb, Callable[[AppFixture], None], Outcome, str, dict[str, Any]], ...]] = (
    ("update", "update", good, "done", "1.1.0", RETENTION),
    ("broken", "update", broken, "rolled_back", "1.0.0", RETENTION),
    ("rollback", "rollback", good, "done", "0.9.0", RESTORE),
    ("rollback-fails", "rollback", broken_backup, "rolled_back", "1.0.0", RESTORE),
)

SCENARIOS: Final[dict[str, Scenario]] = {
    **{
        f"{name}-{way}": Scenario(verb, way, prepare, outcome, version, options=options)
        for way in get_args(Way)
        for name, verb, prepare, outcome, version, options in _WAYS
    },
    "keep-exchange": Scenario("rollback", "exchange", worked_with, "done", "0.9.0", options=KEEP),
    "keep-copy": Scenario("rollback", "copy", worked_with, "done", "0.9.0", options=KEEP),
    "keep-fails-exchange": Scenario(
        "rollback", "exchange", worked_with_broken_backup, "rolled_back", "1.0.0", options=KEEP
    ),
    "keep-fails-copy": Scenario("rollback", "copy", worked_with_broken_backup, "rolled_back", "1.0.0", options=KEEP),
    "bring-back": Scenario("bring_back", "exchange", worked_with, "done", "1.0.0", options=RETENTION),
    "bring-back-fails": Scenario(
        "bring_back", "exchange", worked_with_broken_data, "rolled_back", "1.0.0", options=BROKEN_BY_DATA
    ),
    "one-back": Scenario(
        "bring_back_written", "exchange", worked_with_once_broken, "done", "1.0.0", options=RETENTION, only=OF_DATA
    ),
    "one-back-fails": Scenario(
        *("bring_back_written", "exchange", worked_with_twice_broken, "rolled_back", "1.0.0"),
        options=BROKEN_BY_DATA,
        only=OF_DATA,
    ),
    "first": Scenario("update", "exchange", first, "done", "1.1.0", before=None),
    "first-broken": Scenario("update", "exchange", first_broken, "rolled_back", None, before=None),
    "environment": Scenario(
        *("update", "exchange", environment, "done", "1.1.0"),
        options=ENVIRONMENT,
        only=SLOW,
        publish=one_with_environment,
    ),
    "environment-broken": Scenario(
        *("update", "exchange", environment_broken, "rolled_back", "1.0.0"),
        options=ENVIRONMENT,
        only=SLOW,
        publish=one_with_environment,
    ),
    "commands": Scenario(
        "update", "exchange", broken, "rolled_back", "1.0.0", options=COMMANDS, only=("service.command.",)
    ),
    "set": Scenario("update_set", "exchange", pair, "done", "1.1.0", options=RETENTION, only=TOGETHER, kind="pair"),
    "set-broken": Scenario(
        "update_set", "exchange", pair_broken, "rolled_back", "1.0.0", options=RETENTION, only=TOGETHER, kind="pair"
    ),
}

SCENARIOS.update(
    {name: Scenario(way="exchange", kind="git", **about) for name, about in git_scenarios.SCENARIOS.items()}
)

TABLE: Final = Path(__file__).with_name("points.txt")


def read_table() -> dict[str, list[str]]:
    """The fault points of each scenario, as `points.txt` has them."""
    table: dict[str, list[str]] = {name: [] for name in SCENARIOS}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        point, _, names = line.partition(": ")
        for name in names.split():
            table[name].append(point)
    return table
