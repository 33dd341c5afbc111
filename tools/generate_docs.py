"""Write the parts of the documentation that come from the code, and the help text that `fsm` has ready.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`; `GENERATORS` says what belongs there. `--check`
writes nothing and fails where a copy differs; `make docs` and a test do that.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from fsm import lifecycle
from fsm.cli import quick
from tools import (
    describe_models,
    describe_modules,
    reference_action,
    reference_api,
    reference_cli,
    reference_json,
    show_example,
)

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
BLOCK: Final = re.compile(r"(?P<head><!-- generated: (?P<name>[\w-]+) -->\n).*?(?P<tail><!-- end -->)", re.DOTALL)


def picture(table: lifecycle.Table = lifecycle.TABLE) -> str:
    """A machine as a picture."""
    return f"\n```mermaid\n{lifecycle.diagram(table)}```\n\n"


def machine() -> str:
    """The machine as a picture and as a table."""
    return f"{picture()}{lifecycle.markdown_table(lifecycle.TABLE)}\n"


GENERATORS: Final[dict[str, Callable[[], str]]] = {
    "lifecycle": machine,
    "set-lifecycle": partial(picture, lifecycle.SET_TABLE),
    "modules": describe_modules.modules,
    "component-types": describe_modules.types,
    "action-inputs": reference_action.inputs,
    "action-outputs": reference_action.outputs,
    "cli-commands": reference_cli.commands,
    "cli-exit-codes": reference_cli.exit_codes,
    "api-updater": reference_api.updater,
    "api-async": reference_api.asynchronous,
    "api-results": reference_api.results,
    "api-events": reference_api.events,
    "api-errors": reference_api.exceptions,
    "api-adapter": reference_api.contract,
    "api-steps": reference_api.steps,
    "api-kit": reference_api.shared,
    "json-shapes": reference_json.shapes,
    "json-blocked": reference_json.blocked,
    "json-words": reference_json.words,
    "config-checks": describe_models.checks,
    "adapter-imports": show_example.imports,
    **{f"adapter-{name}": partial(show_example.part, name) for name in show_example.PARTS},
    **{name: partial(describe_models.table, model) for name, model in describe_models.TABLES.items()},
}


def refresh(text: str, where: str = "") -> str:
    """`text` with every generated block as the code says.

    Raises:
        ValueError: a block has a name that nothing generates.
    """

    def block(match: re.Match[str]) -> str:
        if match["name"] not in GENERATORS:
            raise ValueError(f"{where}: nothing generates {match['name']!r}; known are {', '.join(GENERATORS)}")
        return match["head"] + GENERATORS[match["name"]]() + match["tail"]

    return BLOCK.sub(block, text)


def main(argv: list[str], docs: Path = DOCS, help_text: Path = Path(quick.HELP)) -> int:
    """Write the blocks of every page below `docs`, and the help text; with `--check`, say which differ and return 1."""
    written = {page: page.read_text(encoding="utf-8") for page in sorted(docs.rglob("*.md"))}
    fresh = {page: refresh(text, page.name) for page, text in written.items()} | {help_text: reference_cli.overview()}
    written[help_text] = help_text.read_text(encoding="utf-8") if help_text.exists() else ""
    stale = [page for page, text in fresh.items() if text != written[page]]
    for page in stale:
        if "--check" not in argv:
            page.write_text(fresh[page], encoding="utf-8")
        where = os.path.relpath(page, docs)
        print(f"{where}: " + ("differs from the code; run `make generate`" if argv else "written"))
    return 1 if stale and argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
