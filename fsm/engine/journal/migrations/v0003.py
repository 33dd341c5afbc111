"""Schema version 3: what signed documents have shown this host; none of it ever goes back."""

SQL = """
-- The newest keyring that the root keys of a domain have signed.
CREATE TABLE keyring (
    domain    TEXT PRIMARY KEY,
    data      BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- One row for each key: when a key is revoked, what only it has said counts no more.
CREATE TABLE seen (
    domain      TEXT NOT NULL,
    component   TEXT NOT NULL,
    repository  TEXT NOT NULL,
    key         TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    version     TEXT NOT NULL,
    released_at TEXT NOT NULL,
    PRIMARY KEY (domain, component, repository, key)
) STRICT;

CREATE TABLE withdrawn (
    domain     TEXT NOT NULL,
    repository TEXT NOT NULL,
    data       BLOB NOT NULL,
    signature  BLOB NOT NULL,
    PRIMARY KEY (domain, repository)
) STRICT;
"""
