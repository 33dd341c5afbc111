"""Updates as persisted state machines: resumable after a crash at any instruction."""
