"""Releases on GitHub. `fsm.sources.github.publish` writes them: the only importer of PyGithub."""
