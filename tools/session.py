"""Paste the console sessions of a page into a real shell, and compare what it prints with what the page shows.

The page marks its session with a line `<!-- session -->`; every ```` ```console ```` block from there on, or up to
`<!-- end session -->`, belongs to it. In a block, `$ ` begins a command, `> ` continues it, and the lines after it are
its output. A command that shows no output may print anything. In the output `...` stands for any text within a line,
and alone on a line for any number of lines. A command must succeed, unless it ends with a comment `# exit N`.

All commands run in one bash, in order, so that `cd` and variables last; both streams go to one output.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
MARKER: Final = "<!-- session -->"
END: Final = "<!-- end session -->"
BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXIT: Final = re.compile(r"#\s*exit (\d+)\s*$")


class Command(NamedTuple):
    """A command as it is shown, the output shown below it, and the exit code that it is to end with."""

    text: str
    output: tuple[str, ...]
    code: int


class Outcome(NamedTuple):
    """What a command really printed, and its exit code; None where the session did not come so far."""

    output: str
    code: int | None


def commands(page: str) -> list[Command]:
    """The commands of a page's session, in order; none where the page has no marker."""
    session = page.partition(MARKER)[2].partition(END)[0]
    found: list[tuple[list[str], list[str]]] = []
    for block in BLOCK.findall(session):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif not found:
                raise ValueError(f"a session begins with output: {line!r}")
            elif (line == ">" or line.startswith("> ")) and not found[-1][1]:
                found[-1][0].append(line[2:])
            else:
                found[-1][1].append(line)
    return [_command("\n".join(text), output) for text, output in found]


def _command(text: str, output: list[str]) -> Command:
    code = EXIT.search(text)
    return Command(text, tuple(output), int(code[1]) if code else 0)


def run(
    session: list[Command],
    folder: Path,
    path: Path = ROOT / ".venv" / "bin",
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Run a session in `folder`, with `path` first on PATH; whatever it started is killed at its end.

    Args:
        session: the commands.
        folder: an empty directory, which is also HOME.
        path: where the programs of this project are.
        timeout: seconds for the whole session.
        env: what the reader of the page has set beforehand.
    """
    with tempfile.TemporaryDirectory() as notes:
        script = Path(notes, "session.sh")
        script.write_text("".join(scripted(number, command) for number, command in enumerate(session)))
        environment = {"PATH": f"{path}:{os.environ.get('PATH', os.defpath)}", "HOME": str(folder)}
        environment |= {"LC_ALL": "C.UTF-8", "COLUMNS": "120", "NOTES": notes} | dict(env or {})
        environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
        shell = subprocess.Popen(
            ["bash", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(
                subprocess.TimeoutExpired
            ):  # the first command without a code is the one that hung
                shell.wait(timeout)
        finally:
            _end(shell)
        return [_outcome(Path(notes), number) for number in range(len(session))]


def scripted(number: int, command: Command) -> str:
    """A command whose output and exit code are noted, and which sees the exit code of the one before."""
    return (
        f"(exit ${{code:-0}})\n"
        f'{{ {command.text}\n}} >"$NOTES/{number}.out" 2>&1\n'
        f'code=$?; echo $code >"$NOTES/{number}.code"\n'
    )


def _end(shell: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(shell.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all of the session has ended
    finally:
        shell.wait()


def _outcome(notes: Path, number: int) -> Outcome:
    output, code = notes / f"{number}.out", notes / f"{number}.code"
    return Outcome(
        output.read_text(encoding="utf-8", errors="replace") if output.exists() else "",
        int(code.read_text()) if code.exists() else None,
    )


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the `printed` output is what is `shown`, with `...` as the wildcard; trailing blanks do not count."""
    wanted = [line.rstrip() for line in shown]
    parts = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in "\n".join(wanted).strip("\n").splitlines()
    ]
    text = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    return re.fullmatch("".join(parts), text) is not None


def problems(session: list[Command], outcomes: list[Outcome]) -> list[str]:
    """One paragraph for each command that did not do what the page says."""
    found: list[str] = []
    for command, outcome in zip(session, outcomes, strict=True):
        shown, printed = "\n".join(command.output), outcome.output.rstrip()
        if outcome.code is None:
            return [*found, f"$ {command.text}\ndid not end; it printed:\n{printed}"]
        if outcome.code != command.code:
            found.append(f"$ {command.text}\nended with {outcome.code}, not {command.code}; it printed:\n{printed}")
        elif command.output and not matches(command.output, outcome.output):
            found.append(f"$ {command.text}\nprinted:\n{printed}\nthe page shows:\n{shown}")
    return found


def main(argv: list[str]) -> int:
    """Paste the session of each page that `argv` names; 1 where one does not do what it says."""
    failed = 0
    for page in argv:
        session = commands(Path(page).read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            found = problems(session, run(session, Path(folder)))
        print("\n\n".join([*found, f"{page}: {len(session)} commands, {len(found)} differ"]))
        failed += len(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
