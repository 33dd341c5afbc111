"""A host that pins a root key, and those who release for it in a directory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsm.engine.journal import Journal
from fsm.engine.report import Outcome
from fsm.formats.manifest import Manifest, canonical
from fsm.formats.trust import SecretKey, SignedFile, Withdrawal, Withdrawn
from fsm.formats.trust.signing import sign_manifest, sign_withdrawn
from fsm.model import Version
from fsm.updater import Updater
from tests.library.hosts import REGISTRY
from tests.unit.trust.conftest import Maker


class Shop:
    """A host with the component `a`, and those who release it in a directory."""

    def __init__(self, root: Path, maker: Maker) -> None:
        self.root, self.maker, self.depot = root, maker, root / "depot"
        self.depot.mkdir()

    def release(self, version: str, sequence: int, *by: SecretKey, keyring: int | None = 1, **given: Any) -> Path:
        """Publish a release, signed by `ci` if nobody else is named, with a keyring of that version beside it."""
        folder = self.depot / version
        folder.mkdir(parents=True)
        note = version.encode()
        (folder / "note.txt").write_bytes(note)
        artifact = {"name": "note.txt", "size": len(note), "sha256": f"sha256:{hashlib.sha256(note).hexdigest()}"}
        repository = given.pop("repository", "acme/shop")
        text = {"version": version, "component": "a", "sequence": sequence, "artifacts": [artifact], **given}
        made = Manifest.model_validate(text, strict=False)
        data = canonical(made)
        signature = sign_manifest(data, made, by or [self.maker.ci], repository)
        self.put(folder, "update-manifest.yaml", SignedFile(data, signature))
        if keyring is not None:
            self.put(folder, "fsm-keyring.yaml", self.maker.keyring(keyring))
        return folder

    def withdraw(self, version: str, sequence: int = 1, **given: Any) -> None:
        """Publish a list with one version beside the releases."""
        gone = Withdrawal(component="a", version=Version(version), why="loses settings")
        listed = Withdrawn(repository="acme/shop", sequence=sequence, withdrawn=(gone,))
        self.put(self.depot, "fsm-withdrawn.yaml", sign_withdrawn(listed, given.get("by", [self.maker.ci])))

    @staticmethod
    def put(folder: Path, name: str, found: SignedFile) -> None:
        """Write a file and its signature."""
        (folder / name).write_bytes(found.data)
        (folder / f"{name}.minisig").write_bytes(found.signature)

    def host(
        self, *, trust: bool = True, roots: Sequence[SecretKey] = (), threshold: int = 1, **source: Any
    ) -> Updater:
        """As a new process would make it; it pins the root key, if no others are named."""
        table = {"type": "directory", "path": str(self.depot), "repository": "acme/shop", **source}
        data: dict[str, Any] = {
            "fsm": {"state_dir": str(self.root / "state")},
            "components": {"a": {"type": "note", "path": str(self.root / "a"), "source": table}},
        }
        if trust:
            keys = [str(key.public_key) for key in roots or [self.maker.root]]
            data["trust"] = {"root_keys": keys, "threshold": threshold}
        return Updater.from_data(data, registry=REGISTRY)

    def refused(self, **options: Any) -> str:
        """Why an update is refused: with nothing touched, and no run left in progress."""
        result = self.host().update("a", **options)
        assert result.outcome is Outcome.REFUSED, result.headline
        with Journal(self.root / "state" / "journal.db", readonly=True) as journal:
            assert not journal.runs(in_progress=True)
        return result.reason

    def installed(self, version: str) -> None:
        """Update, and say that it is there now."""
        result = self.host().update("a")
        assert (result.outcome, result.to_version) == (Outcome.DONE, version), result.headline
        (self.root / "a").write_text(version)
