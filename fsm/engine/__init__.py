"""The machine at work: its guard, plans, the journal, the executor, locks, what observers hear, and reports."""
