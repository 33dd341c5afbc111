"""Schema version 2: runs that belong together."""

SQL = """
ALTER TABLE run ADD COLUMN part_of INTEGER REFERENCES run (id);
CREATE INDEX run_of_set ON run (part_of) WHERE part_of IS NOT NULL;
"""
