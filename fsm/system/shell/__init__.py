"""Child processes with a deadline: the only importer of `sh`.

A child gets a session and a process group of its own, no terminal, and an environment that marks it and everything
it starts, so that nothing outlives its deadline, a cancelled run, or a crash of the updater:

1. it is started, and `record` is told its identity at once (`running`);
2. its output is read by the thread that waits (`output`), and `poll` is asked at least every 100 ms whether to go on;
3. whatever ends the waiting, the whole group is ended: TERM, a grace, KILL (`commands`);
4. it is reaped, and the threads that `sh` started have ended;
5. what a crashed updater left running is found by its recorded identity and by its mark (`orphans`).

A program that only looks, also outside of a run, is asked by `ask`, and spoken through by `talk` (`asking`).
"""

from fsm.system.shell.asking import Asked, ask, talk
from fsm.system.shell.commands import Shell
from fsm.system.shell.orphans import Child, end_orphans
from fsm.system.shell.output import Redactor, Sink, said_last
from fsm.system.shell.programs import CALL, MARKER, SERVICE, UNMARKED, find_program

__all__ = [
    "CALL",
    "MARKER",
    "SERVICE",
    "UNMARKED",
    "Asked",
    "Child",
    "Redactor",
    "Shell",
    "Sink",
    "ask",
    "end_orphans",
    "find_program",
    "said_last",
    "talk",
]
