"""The maintainer's side: from built artifacts to the manifest and the checksums of a release.

In this order: the description is read (`description`), the version is decided (`versioning`), the artifacts are found
(`collecting`) and hashed once, in parallel (`hashing`), the manifests and sums are made of that and written (`build`).
`check` does the same without writing, and looks into the archives as well. No wall-clock time enters any output.
"""

from __future__ import annotations

from fsm.release.build import Built, Options, build
from fsm.release.check import check
from fsm.release.problems import ReleaseError

__all__ = ["Built", "Options", "ReleaseError", "build", "check"]
