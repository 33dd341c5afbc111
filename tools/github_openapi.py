"""Make the part of GitHub's OpenAPI description that the tests' fake GitHub is held to.

    npm pack @octokit/openapi
    .venv/bin/python tools/github_openapi.py octokit-openapi-*.tgz

The package is 390 MB unpacked; kept are the operations that this project uses, with the schemas they need, without
texts and examples, in `tests/github/openapi/github.json`, beside the package's licence and `ORIGIN.json`, which has its
name and hash. Two things are added, because GitHub does them and its description leaves them out: the state `starter`
of an asset whose upload broke off (the text of "Upload a release asset" has it, the schema does not), and what every
operation may answer besides (304, and an error with a message).
"""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent.parent / "tests" / "github" / "openapi"
DESCRIPTION: Final = "package/generated/api.github.com.json"

_RELEASES: Final = "/repos/{owner}/{repo}/releases"
OPERATIONS: Final = {
    _RELEASES: ("get", "post"),
    f"{_RELEASES}/latest": ("get",),
    f"{_RELEASES}/tags/{{tag}}": ("get",),
    f"{_RELEASES}/{{release_id}}": ("get", "patch", "delete"),
    f"{_RELEASES}/{{release_id}}/assets": ("get", "post"),
    f"{_RELEASES}/assets/{{asset_id}}": ("get", "delete"),
}
_PROSE: Final = frozenset({"description", "example", "examples", "externalDocs", "summary", "tags", "title"})
_ERROR: Final = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}


def subset(whole: dict[str, Any]) -> dict[str, Any]:
    """The operations of `OPERATIONS` and everything that they refer to, of a whole description."""
    paths = {}
    for path, methods in OPERATIONS.items():
        paths[path] = {method: _lean(whole["paths"][path][method]) for method in methods}
        for operation in paths[path].values():
            operation.pop("x-github", None)
            operation["responses"].setdefault("304", {"description": ""})
            operation["responses"].setdefault("default", _ERROR)
    found: dict[str, Any] = {"paths": paths, "components": {"schemas": {"error": _error()}}}
    waiting = list(_references(paths))
    while waiting:
        kind, name = waiting.pop().removeprefix("#/components/").split("/")
        kept = found["components"].setdefault(kind, {})
        if name not in kept:
            kept[name] = _lean(whole["components"][kind][name])
            waiting += _references(kept[name])
    found["components"]["schemas"]["release-asset"]["properties"]["state"]["enum"].append("starter")
    about = {"title": "GitHub's releases", "version": whole["info"]["version"]}
    return {"openapi": whole["openapi"], "info": about, **found}


def _error() -> dict[str, Any]:
    return {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}


def _lean(node: Any, *, named: bool = False) -> Any:
    """The node without what is for people only; `named`: its keys are names of properties, which all stay."""
    if isinstance(node, list):
        return [_lean(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _lean(value, named=key in ("properties", "responses") and not named)
        for key, value in node.items()
        if named or key not in _PROSE
    }
    if "content" in node and not named:
        kept["description"] = ""  # OpenAPI wants one for each response
    return kept if named or "$ref" in node or "description" not in node else {**kept, "description": ""}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _references(item)


def main(package: Path) -> None:
    """Write the subset, the licence and the origin from an npm package."""
    with tarfile.open(package) as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(name)
            assert member is not None, name
            return member.read()

        whole, about, licence = (
            json.loads(read(DESCRIPTION)),
            json.loads(read("package/package.json")),
            read("package/LICENSE"),
        )
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / "github.json").write_text(json.dumps(subset(whole), indent=1, sort_keys=True) + "\n")
    (HERE / "LICENSE").write_bytes(licence)
    origin = {
        "package": f"{about['name']}@{about['version']}",
        "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
        "file": DESCRIPTION,
        "licence": about["license"],
    }
    (HERE / "ORIGIN.json").write_text(json.dumps(origin, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
