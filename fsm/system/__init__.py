"""The operating system: files, archives, processes, programs, digests, fault points."""
