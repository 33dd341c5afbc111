"""Who a process is, whether it still lives, and how it is ended for sure.

A pid alone names nobody: it is given out again. A process is its pid, the moment it started (clock ticks since the
boot, so a clock that jumps does not matter) and the boot it belongs to. Every signal goes to a process whose
identity was checked; the own process, its group, and pid 1 are never signalled.

Everything here reads Linux' /proc (https://man7.org/linux/man-pages/man5/proc.5.html); on other systems the functions
raise `Unsupported` when they are used.
"""

from fsm.system.processes.ending import end
from fsm.system.processes.reading import (
    Identity,
    alive,
    boot_id,
    group,
    holding,
    identify,
    start_time,
    stopped,
    users_of,
    with_environment,
)
from fsm.system.processes.signals import before_exec, children_end_with_this_process, default_signals

__all__ = [
    "Identity",
    "alive",
    "before_exec",
    "boot_id",
    "children_end_with_this_process",
    "default_signals",
    "end",
    "group",
    "holding",
    "identify",
    "start_time",
    "stopped",
    "users_of",
    "with_environment",
]
