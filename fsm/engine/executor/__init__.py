"""Drives runs: journals the entered state, runs its steps, fires the event.

Order kept here, for every move: the journal's commit comes first, the side effect second. `loop` goes over the
lifecycle's states, `forward` does steps, `backward` undoes them, `run_record` is the run as the journal has it,
`context` is what a step sees, `control` asks a run to stop.
"""

from fsm.engine.executor.control import Clock, Control, Controls, Surroundings
from fsm.engine.executor.loop import Checked, Executor

__all__ = ["Checked", "Clock", "Control", "Controls", "Executor", "Surroundings"]
