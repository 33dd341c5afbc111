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
from fsm.lifecycle import Event, State

if TYPE_CHECKING:
    from transitions import Machine


_making = threading.Lock()


class IllegalMove(AssertionError):
    """The executor fired an event that the lifecycle does not have in that state: a bug, never a user's error."""


class Guard:
    """One run's position in the lifecycle.

    Args:
        stored: the state as the journal has it.

    Raises:
        JournalError: the stored text is no state of this version's lifecycle.
    """

    state: State

    def __init__(self, stored: str) -> None:
        try:
            initial = State(stored)
        except ValueError:
            raise JournalError(
                f"cannot continue from the state {stored!r}",
                "this version of fsm-updater does not know it",
                "install the version that wrote it, then `fsm resume`",
            ) from None
        _machine().add_model(self, initial=initial)

    def fire(self, event: Event) -> State:
        """Move by one event and return the state that it leads to.

        Raises:
            IllegalMove: the lifecycle has no such move.
        """
        from transitions import MachineError  # noqa: PLC0415 - loaded with the machine, not before

        try:
            self.trigger(event.value)  # type: ignore[attr-defined] # added by transitions' add_model
        except MachineError as error:
            raise IllegalMove(f"{event} in {self.state}") from error
        return self.state

    def release(self) -> None:
        """Forget this run: the shared machine would otherwise keep every guard alive."""
        _machine().remove_model(self)


def _machine() -> Machine:
    """The machine that all runs share; runs begin in several threads at once, and it is made once."""
    with _making:
        return _made()


@cache
def _made() -> Machine:
    from transitions import Machine  # noqa: PLC0415 - 15 ms that `fsm status` need not pay

    return Machine(
        model=None,
        states=State,
        initial=State.IDLE,
        transitions=[
            {"trigger": event.value, "source": source, "dest": target}
            for event, source, target in lifecycle.transitions()
        ],
        auto_transitions=False,
        send_event=False,
    )
