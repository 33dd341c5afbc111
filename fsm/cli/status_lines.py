"""The states of components as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from fsm.cli import output


def lines(found: Sequence[dict[str, Any]], now: datetime) -> Iterator[str]:
    """The table, and below it what needs somebody.

    Args:
        found: as ``--json`` has them.
        now: for ages.
    """
    if not found:
        yield "no component is configured"
        return
    header = ("COMPONENT", "INSTALLED", "LATEST", "LAST RUN", "HELD OR PINNED")
    styles = ["bold", *map(_style, found)]
    rows = output.table(header, [_row(each, now) for each in found])
    yield from map(output.Tinted, rows, styles)
    for each, style in zip(found, styles[1:], strict=True):
        for text in _remarks(each, now):
            yield output.Tinted(f"{each['component']}: {output.one_line(text)}", style)
    yield from dict.fromkeys(_set_remark(each["in_set"]) for each in found if each["in_set"])


def _style(each: dict[str, Any]) -> str:
    """Red needs somebody, yellow may, green has an update; everything else is as it should be."""
    outcome = each["last"] and each["last"]["outcome"]
    if outcome == "failed" or each["installed"] is None:
        return "red"
    if outcome in ("interrupted", "rolled_back") or each["held"]:
        return "yellow"
    return "green" if each["update_available"] else ""


def _set_remark(run: dict[str, Any]) -> str:
    """About a set's run, once for all of its members."""
    state = run["state"].replace("_", " ")
    if run["running_in"]:
        return f"{run['set']}: {state} now, by {run['running_in']}"
    return f"{run['set']}: interrupted while {state}; run `fsm resume {run['set']}` to continue"


def _row(each: dict[str, Any], now: datetime) -> tuple[str, ...]:
    held = [f"held: {each['held']}"] if each["held"] else []
    pinned = [f"pinned to {each['pin']}"] if each["pin"] else []
    return (
        each["component"],
        each["installed"] or "unknown",
        _latest(each),
        _last(each["last"], now, running=bool(each["running_in"])),
        ", ".join((*held, *pinned)) or "-",
    )


def _latest(each: dict[str, Any]) -> str:
    """What the last check found, and whether an update would install it."""
    latest = each["latest"] or ("none" if each["checked_at"] else "not checked")
    if each["update_available"]:
        return f"{each['target']} (new)"
    return f"{latest} ({each['blocked']})" if each["blocked"] and _is_newer(each) else latest


def _is_newer(each: dict[str, Any]) -> bool:
    """Whether there is something that could be installed but for what blocks it."""
    return each["latest"] not in (None, each["installed"])


def _last(run: dict[str, Any] | None, now: datetime, *, running: bool) -> str:
    if run is None:
        return "-"
    what = {"done": "updated", "up_to_date": "nothing to do"}.get(run["outcome"], run["outcome"].replace("_", " "))
    if running and what == "interrupted":
        what = "in progress"
    if run["kind"] == "rollback":
        what = "rolled back" if run["outcome"] == "done" else f"rollback {what}"
    elif run["kind"] == "data":
        what = "files brought back" if run["outcome"] == "done" else f"bringing files back {what}"
        return f"#{run['run']} {what}, {output.ago(run['ended_at'] or run['started_at'], now)}"
    elif what == "updated" and run["from_version"] is None:
        return f"#{run['run']} installed {run['to_version']}, {output.ago(run['ended_at'], now)}"
    move = f" {run['from_version'] or 'unknown'} -> {run['to_version']}" if run["to_version"] else ""
    return f"#{run['run']} {what}{move}, {output.ago(run['ended_at'] or run['started_at'], now)}"


def _remarks(each: dict[str, Any], now: datetime) -> Iterator[str]:
    if each["why_unknown"]:
        yield f"the installed version is unknown: {each['why_unknown']}"
    if each["blocked"] not in (None, "held", "pinned") and _is_newer(each):  # these two stand in the table
        yield each["reason"]
    run, name = each["last"], each["component"]
    if each["running_in"]:
        yield f"{_where(run)} now, by {each['running_in']}" if run else f"in use by {each['running_in']}"
    elif run and run["outcome"] == "interrupted":
        yield f"interrupted while {_where(run)}; run `fsm resume {name}` to continue"
    elif run and run["outcome"] == "failed":
        yield f"FAILED {output.ago(run['ended_at'], now)}: {_because(run)}"
    elif run and run["outcome"] in ("refused", "rolled_back"):
        yield f"{run['outcome'].replace('_', ' ')}: {_because(run)}"


def _because(run: dict[str, Any]) -> str:
    return f"{run['reason']}; {run['todo']}" if run["todo"] else str(run["reason"])


def _where(run: dict[str, Any]) -> str:
    """In which state a run is, and at which step."""
    active = [(n, step) for n, step in enumerate(run["steps"], 1) if step["status"] in ("running", "undoing")]
    state = str(run["state"]).replace("_", " ")
    if not active:
        return state
    number, step = active[-1]
    return f"{state} at step {number}/{len(run['steps'])} ({step['title']})"
