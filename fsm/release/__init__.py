"""The maintainer's side: from built artifacts to the manifest and the checksums of a release, and to GitHub.

In this order: files that the description seems to name are being hashed already (`early`) while it is read
(`description`), the version is decided (`versioning`) and the artifacts are found (`collecting`); each is read once
(`hashing`); the manifests and sums are made of that and written (`build`). `check` does the same without writing, and
looks into the archives as well; `publish` brings the result to GitHub. No wall-clock time enters any output.

Nothing is imported here, so that the reading of large files can begin before pydantic is loaded.
"""
