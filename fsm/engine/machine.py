"""The guard of the lifecycle: which event may fire in which state. The only importer of `transitions`.

Work does not live in callbacks here: `transitions` sets the new state before `on_enter` runs, so an exception there
would leave a state that nobody entered properly. The executor asks the guard for the next state, writes it to the
journal, and only then acts.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from fsm import lifecycle
from fsm.errors import JournalError
from fsm.lifecycle import TABLE, Event, State, Table

if TYPE_CHECKING:
    from transitions import Machine


_making = threading.Lock()


class IllegalMove(AssertionError):
    """The executor fired an event that the lifecycle does not have in that state: a bug, never a user's error."""


class Guard:
    """One run's position in the lifecycle.

    Args:
        stored: the state as the journal has it.
        table: the lifecycle; that of a component's run unless told.

    Raises:
        JournalError: the stored text is no state of this version's lifecycle.
    """

    state: State

    def __init__(self, stored: str, table: Table = TABLE) -> None:
        try:
            initial = State(stored)
            _known(initial, table)
        except ValueError:
            raise JournalError(
                f"cannot continue from the state {stored!r}",
                "this version of fsm-updater does not know it",
                "install the version that wrote it, then run `fsm resume`",
            ) from None
        self._machine = _machine(table)
        self._machine.add_model(self, initial=initial)

    def fire(self, event: Event) -> State:
        """Move by one event and return the state that it leads to.

        Raises:
            IllegalMove: the lifecycle has no such move.
        """
        from transitions import MachineError  # noqa: PLC0415 - loaded with the machine, not before

        if event.value not in self._machine.events:
            raise IllegalMove(f"{event} in {self.state}")
        try:
            self.trigger(event.value)  # type: ignore[attr-defined] # added by transitions' add_model
        except MachineError as error:
            raise IllegalMove(f"{event} in {self.state}") from error
        return self.state

    def release(self) -> None:
        """Forget this run: the shared machine would otherwise keep every guard alive."""
        self._machine.remove_model(self)


def _known(state: State, table: Table) -> None:
    if not any(row.state is state for row in table):
        raise ValueError(state)


def _machine(table: Table) -> Machine:
    """The machine that all runs of a lifecycle share; runs begin in several threads at once, and it is made once."""
    with _making:
        return _made(table)


@cache
def _made(table: Table) -> Machine:
    from transitions import Machine  # noqa: PLC0415 - 15 ms that `fsm status` need not pay

    return Machine(
        model=None,
        states=[row.state for row in table],
        initial=State.IDLE,
        transitions=[
            {"trigger": event.value, "source": source, "dest": target}
            for event, source, target in lifecycle.transitions(table)
        ],
        auto_transitions=False,
        send_event=False,
    )
