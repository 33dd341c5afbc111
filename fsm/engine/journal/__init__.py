"""The journal: the append-only record of every run on this host, and the only truth about what is in progress.

Write before act: a state and a step's start are durable here before their first side effect; one commit may carry
"step i ended" and "step i+1 starts". `store` writes, `chain` makes edits visible, `migrations` holds one file for each
schema version, `policy` remembers holds, pins, versions that failed, `trusted` what signed documents
have shown. The package is the only importer of `apsw`.
"""

from fsm.engine.journal.policy import Policy, Quarantined
from fsm.engine.journal.records import SET, Kind, LogRow, Record, Run
from fsm.engine.journal.store import Journal
from fsm.engine.journal.trusted import Highest, Trusted

__all__ = ["SET", "Highest", "Journal", "Kind", "LogRow", "Policy", "Quarantined", "Record", "Run", "Trusted"]
