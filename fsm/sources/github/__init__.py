"""Releases on GitHub. `fsm.release.github` writes them: the only importer of PyGithub."""
