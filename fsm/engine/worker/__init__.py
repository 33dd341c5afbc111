"""The other side of the boundary: processes that touch a component as its user, for an engine that is root.

The engine keeps the journal, the locks, the services and the network to itself. A step that is not
`Step.by_updater`, and each question about a tree, is a call of a process that the engine starts as the component's
user: it gets the frozen step as JSON and answers in JSON, over a socket that only these two have.

- `calls` is what the engine has a user do, `acting` what of that a run does;
- `pool` has the processes of one call of a verb: started early, used for one call after the other, ended with it;
- `start` starts one, or takes the spare one that a command line has started before it loaded the engine
  (`fsm.engine.spare`); `process` is the engine's side of it: calling, listening, ending; `hearing` who listens;
- `protocol` is what they say to each other, and what of an answer is believed;
- `entry`, `become` (a spare one), `confine`, `serve` and `context` are the other process.

Answers are not trusted. The process is the user's, and what it says could be anything: it is held to models and to
limits, text is made fit to be shown, and whatever does not fit is a failure of the host (`WorkerFailed`), as is a
process that ends, or is silent for too long.
"""

from fsm.engine.worker.acting import Acting, Verb
from fsm.engine.worker.bug import Bug
from fsm.engine.worker.pool import Workers

__all__ = ["Acting", "Bug", "Verb", "Workers"]
