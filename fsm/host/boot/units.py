"""The units that `fsm install-service` writes, as text. Pure: nothing is looked at, nothing is written.

Two decisions are taken here (ADR 0019):

- ``fsm-resume.service`` stands before every managed unit and is of ``Type=notify``: the boot starts none of them until
  `fsm resume` says that nothing needs to stay down (`fsm.system.boot_hold`). Of ``Type=oneshot`` it could start
  none of them itself, because their start would wait for its end.
- ``KillMode=process``: a service of manager `process` is a child of the updater that started it, and lives on in the
  control group of the unit when that has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fsm.model import Seconds

HEAD: Final = "# Written by `fsm install-service`, which replaces it; put changes into a drop-in (`systemctl edit`).\n"
"""The first line: a file without it is somebody else's."""

RESUME: Final = "fsm-resume.service"
CHECK: Final = "fsm-check.service"
TIMER: Final = "fsm-check.timer"

WITHIN: Final = 600.0
"""Seconds that a run may go on after a boot; then it is rolled back."""

ROLLBACK: Final = 600
"""Seconds beyond that until a boot goes on that is still held back."""

_DIVISORS: Final = (24, 12, 8, 6, 4, 3, 2, 1)


class Facts(NamedTuple):
    """What the units depend on.

    Attributes:
        command: the program and the arguments that run `fsm` with its configuration.
        user: units of a user, not of the system.
        environment: variables without which `fsm` would look elsewhere.
        before: the managed units.
        mounts: paths whose file systems must be there.
        within: seconds that a run may go on after a boot.
        hours: hours between two checks.
    """

    command: tuple[str, ...]
    user: bool
    environment: Mapping[str, str]
    before: tuple[str, ...]
    mounts: tuple[Path, ...]
    within: Seconds
    hours: float


def texts(facts: Facts) -> dict[str, str]:
    """The units' texts, by name."""
    return {RESUME: resume(facts), CHECK: check(facts), TIMER: timer(facts)}


def resume(facts: Facts) -> str:
    """What ends at boot what the last shutdown, or power cut, interrupted."""
    early = [] if facts.user else ["After=local-fs.target"]
    # The socket, and not the engine: Debian's docker.service waits for the network, a connection waits for the engine.
    early += [] if facts.user else ["After=docker.socket"]
    order = [f"Before={' '.join(facts.before)}"] if facts.before else []
    mounts = [f"RequiresMountsFor={quoted(map(str, facts.mounts))}"] if facts.mounts else []
    return _unit(
        ["Description=Continue interrupted updates (fsm-updater)", *early, *order, *mounts],
        Service=[
            "Type=notify",
            "NotifyAccess=main",
            *_environment(facts),
            f"ExecStart={quoted([*facts.command, 'resume', '--within', f'{facts.within:g}'])}",
            "# refused (20), rolled back (30), busy (50): the host is in a good state",
            "SuccessExitStatus=20 30 50",
            "# the boot waits no longer than this; then the run is interrupted at a point where its service is up",
            f"TimeoutStartSec={facts.within + ROLLBACK:g}",
            "TimeoutStopSec=120",
            "# services that it started keep running",
            "KillMode=process",
        ],
        Install=[f"WantedBy={'default' if facts.user else 'multi-user'}.target"],
    )


def check(facts: Facts) -> str:
    """What asks for new releases."""
    network = [] if facts.user else ["Wants=network-online.target", "After=network-online.target"]
    return _unit(
        ["Description=Check for new releases (fsm-updater)", *network, f"After={RESUME}"],
        Service=[
            "Type=oneshot",
            *_environment(facts),
            "# the timer decides how often: always ask the sources",
            f"ExecStart={quoted([*facts.command, 'check', '--force'])}",
            "TimeoutStartSec=900",
            "Nice=10",
        ],
    )


def timer(facts: Facts) -> str:
    """When: evenly over the day, spread over the hosts; what was missed while the host was off is made up for."""
    hours = next(each for each in _DIVISORS if each <= max(facts.hours, 1.0))
    when = "*-*-* 00:00:00" if hours == 24 else f"*-*-* 00/{hours}:00:00"
    return _unit(
        ["Description=Check for new releases regularly (fsm-updater)"],
        Timer=[
            "OnBootSec=5min",
            f"OnCalendar={when}",
            f"RandomizedDelaySec={hours * 15}min",
            "# each host has its own minute, always the same, so that a fleet never asks all at once",
            "FixedRandomDelay=true",
            "Persistent=true",
        ],
        Install=["WantedBy=timers.target"],
    )


def comparable(text: str) -> str:
    """What of a unit follows from the configuration: neither the times that were asked for, nor who asked."""
    text = re.sub(r" resume --within \S+$", " resume", text, flags=re.MULTILINE)
    return re.sub(r"^(Environment|TimeoutStartSec)=.*\n", "", text, flags=re.MULTILINE)


def quoted(words: Sequence[str] | map[str]) -> str:
    """Words as a command line of systemd (systemd.service(5), "Command lines"), each of them literally."""
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t")
    plain = word.isascii() and word.replace("%", "").replace("$", "") == escaped.replace("%", "").replace("$", "")
    return escaped if plain and word and not set(word) & set(" ;'") else f'"{escaped}"'


def _environment(facts: Facts) -> list[str]:
    return [f"Environment={_quote(f'{name}={value}').replace('$$', '$')}" for name, value in facts.environment.items()]


def _unit(unit: Sequence[str], **sections: Sequence[str]) -> str:
    parts = [("Unit", unit), *sections.items()]
    return HEAD + "".join("\n".join(["", f"[{name}]", *lines, ""]) for name, lines in parts)
