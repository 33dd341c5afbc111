"""Schema version 1: runs, their plans, the chained log, and the host's policy."""

SQL = """
CREATE TABLE run (
    id             INTEGER PRIMARY KEY,
    component      TEXT NOT NULL,
    component_type TEXT NOT NULL,
    kind           TEXT NOT NULL,
    from_version   TEXT,
    to_version     TEXT,
    state          TEXT NOT NULL,
    position       INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    todo           TEXT NOT NULL,
    cancel         INTEGER NOT NULL,
    started_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    ended_at       TEXT,
    last_seq       INTEGER NOT NULL,
    last_hash      BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX one_run_in_progress ON run (component) WHERE ended_at IS NULL;
CREATE INDEX run_of_component ON run (component, id);

-- The plan stands apart: updating a row with a long text would write its overflow pages again at every step.
CREATE TABLE plan (
    run  INTEGER PRIMARY KEY REFERENCES run (id),
    text TEXT NOT NULL
) STRICT;

CREATE TABLE log (
    seq  INTEGER PRIMARY KEY,
    run  INTEGER NOT NULL REFERENCES run (id),
    at   TEXT NOT NULL,
    kind TEXT NOT NULL,
    step INTEGER,
    data TEXT NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- A report or a resume reads one run's rows; without this it would read the whole history of the host.
CREATE INDEX log_of_run ON log (run);

CREATE TRIGGER log_is_append_only_update BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_append_only_delete BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TABLE policy (
    component TEXT PRIMARY KEY,
    held_at   TEXT,
    held_why  TEXT NOT NULL DEFAULT '',
    pin       TEXT
) STRICT;

CREATE TABLE quarantine (
    component TEXT NOT NULL,
    version   TEXT NOT NULL,
    failures  INTEGER NOT NULL,
    failed_at TEXT NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (component, version)
) STRICT;

CREATE TABLE checked (
    component  TEXT PRIMARY KEY,
    checked_at TEXT NOT NULL,
    data       TEXT NOT NULL
) STRICT;
"""
