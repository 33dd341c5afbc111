"""Becomes a service. A program of its own: run with ``python -I -S``, it imports nothing that takes time.

``launcher.py detach LOCK REPORT RECORD LOG CWD USER PROGRAM ARGV0 [ARGUMENT...]`` starts the program as a daemon. In
this order, so that a crash of the updater, or of this process, at any instruction leaves at most one copy, and none
that is not known:

1. it was started with the service's mark in its environment, and holding the service's lock (descriptor LOCK);
2. fork; the first process ends, so the updater gets its child back at once, and the other one begins a session;
3. the other writes who it is to RECORD, and says so on the pipe REPORT;
4. it becomes USER (``-``, or ``uid:gid:groups:when``: after or before LOG is opened), and nobody else ever again;
5. it becomes the program, which inherits mark and lock. If that fails, the reason goes to REPORT.

``launcher.py redirect LOG CWD USER PROGRAM ARGV0 [ARGUMENT...]`` becomes the program with its output appended to LOG.

For a USER the program's whole environment is that of the variable FSM_ENVIRON, a line each: a ``LD_LIBRARY_PATH`` that
leads into a tree of the user's would have this process, which is root, run what lies there.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself takes 4 ms of a service's downtime
import os
import sys

RECORD_SIZE = 192
"""Bytes of a record, filled up with spaces: a shorter text must cover a longer one."""


def detach(
    lock: int, report: int, record: str, log: str, cwd: str, user: str, command: list[str]
) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Become a daemon, and then the program `command[0]`."""
    if os.fork():
        os._exit(0)
    try:
        environ = None if user == "-" else environment()  # first: as the user nothing more can be imported
        os.setsid()
        os.set_inheritable(report, False)
        os.set_inheritable(lock, True)
        if user == "-":
            prepare(log, cwd, user)
        write_record(record)
        tell(report, "recorded")
        if user != "-":  # who cannot write the record any more
            prepare(log, cwd, user)
        become(command, environ)
    except OSError as error:
        tell(report, f"failed {error}")
    os._exit(127)


def tell(report: int, line: str) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Write a line of the report. The updater may be dead by now: then the service comes up all the same."""
    try:
        os.write(report, f"{line}\n".encode("utf-8", "replace"))
    except BrokenPipeError:
        return


def redirect_output(log: str) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Append stdout and stderr to a file; nothing is there to read."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)


def prepare(log: str, cwd: str, user: str) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Open the log, become the user, and go to the working directory, which is the user's to enter."""
    if user == "-":
        redirect_output(log)
    else:
        uid, gid, groups, when = user.split(":")
        if when == "after":
            redirect_output(log)
        os.setgroups([int(group) for group in groups.split(",") if group])
        os.setresgid(int(gid), int(gid), int(gid))
        os.setresuid(int(uid), int(uid), int(uid))
        if when == "before":
            redirect_output(log)
    if cwd:
        os.chdir(cwd)


def write_record(record: str) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Write pid, start time and boot id over what the record says, in one write.

    In place, because a rollback has to start a service on a full disk, too. Not synced: after a power loss another
    boot id makes any record void, and the end of a process loses no write.
    """
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        stat = file.read()
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    started = stat[stat.rindex(")") + 2 :].split()[19]
    text = f'{{"pid": {os.getpid()}, "start_time": {started}, "boot_id": "{boot}"}}'
    out = os.open(record, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(out, f"{text:<{RECORD_SIZE - 1}}\n".encode("ascii"))
    os.close(out)


def become(
    command: list[str], environ: dict[str, str] | None
) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Replace this process by ``command[0]``, called by the name ``command[1]``, with every signal as it should be.

    With an environment the program is searched in its PATH: nobody else has looked for it.
    """
    for signum in range(1, signal.NSIG):
        try:
            signal.signal(signum, signal.SIG_DFL)
        except (OSError, ValueError):  # KILL, STOP, and the C library's own
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if environ is None:
        os.execv(command[0], command[1:])
    os.execve(found(command[0], environ), command[1:], environ)


def found(program: str, environ: dict[str, str]) -> str:  # pragma: no cover - runs in an interpreter of its own
    """The path of a program, as the user sees it. Not `os.execvpe`: it imports, and Python may lie where root's is."""
    if "/" not in program:
        for directory in environ.get("PATH", "").split(":"):
            if os.access(f"{directory}/{program}", os.X_OK):
                return f"{directory}/{program}"
    return program


def main(arguments: list[str]) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Do what the command line says; returns only when it failed."""
    if arguments[0] == "detach":
        lock, report, record, log, cwd, user, *command = arguments[1:]
        detach(int(lock), int(report), record, log, cwd, user, command)
    else:
        log, cwd, user, *command = arguments[1:]
        environ = None if user == "-" else environment()
        prepare(log, cwd, user)
        become(command, environ)


def environment() -> dict[str, str]:  # pragma: no cover - runs in an interpreter of its own
    """The program's environment, which was handed over in one variable of this one's."""
    text = os.environ["FSM_ENVIRON"]
    if text.startswith('{"'):  # of an engine that was older, and has been replaced while it worked
        import json  # noqa: PLC0415 - the whole point is to do without

        found: dict[str, str] = json.loads(text)
        return found
    lines = text.split("\n")
    pairs = ("\\".join(part.replace("\\n", "\n") for part in line.split("\\\\")).split("=", 1) for line in lines)
    return {pair[0]: pair[1] for pair in pairs}


if __name__ == "__main__":  # pragma: no cover - see above
    main(sys.argv[1:])
