"""`fsm resume`, without click: every boot waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fsm.cli import loading, output
from fsm.cli.outcomes import report
from fsm.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from fsm.engine.report import UpdateResult
    from fsm.host.resumer import Resumer


def resume(config: Path | None, names: Sequence[str] = (), *, within: float | None, as_json: bool) -> int:
    """Continue what is in progress, and print how it ended.

    Args:
        config: the file that the call names.
        names: of components or sets; everything that is in progress, if there are none.
        within: seconds, after which what is not finished is rolled back.
        as_json: print JSON.

    Returns:
        The exit code.
    """
    from fsm.host.quick_resume import NOTHING, nothing_to_do  # noqa: PLC0415 - not for `--help`
    from fsm.system import boot_hold  # noqa: PLC0415 - not for `--help`

    # At boot, where systemd waits: nothing that is ordered after us starts while a run needs it down.
    boot_hold.hold()
    try:
        if not names and nothing_to_do(config):
            boot_hold.release()
            results = []
        else:
            results = _resumed(config, names, within)
    finally:
        # The façade has released it, unless a run still needs its service down; then systemd sees how we end.
        boot_hold.drop()
    if not results and not as_json:
        output.say(NOTHING)
    return report(results, as_json)


def _resumed(config: Path | None, names: Sequence[str], within: float | None) -> list[UpdateResult]:
    from fsm.cli.progress import shown  # noqa: PLC0415 - not where there is nothing to do
    from fsm.cli.signals import stopping  # noqa: PLC0415 - the same

    resumer = loading.resumer(config)
    with stopping(resumer.shutdown), shown(resumer):
        return [result for name in names or (None,) for result in _of(resumer, name, within)]


def _of(resumer: Resumer, name: str | None, within: float | None) -> Sequence[UpdateResult]:
    results = resumer.resume(name, within=within)
    if name is not None and not results and name not in resumer.components:
        raise UsageError(f"there is no component {name!r}", "nothing of that name is in progress", "see `fsm status`")
    return results
