"""The process that fuzzes one target: atheris instruments the product and its parsers, libFuzzer makes the inputs.

A finding does not end it: its input is kept under the place that it was raised at, the shortest for each place. What is
slow or large here may be so by the instrumentation alone, so `tests.fuzz.replay` judges every kept input again.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import atheris
from atheris.import_hook import AtherisMetaPathFinder

from tests.fuzz import seeding, targets

PROGRAM = "FSM_FUZZ_PROGRAM"
"""Names a program that starts this one with the same target; only merging needs it."""


def main(argv: list[str]) -> None:
    """Fuzz until libFuzzer ends the process.

    Args:
        argv: the program, the target, the directory for inputs of findings, and libFuzzer's own arguments.
    """
    name, kept = argv[1], Path(argv[2]).resolve()
    arguments = [os.path.abspath(each) if not each.startswith("-") else each for each in argv[3:]]
    with _instrumenting(targets.READERS[name]):
        from tests.fuzz.watch import Finding, Watch

        home = Path(tempfile.mkdtemp())
        watch, chosen = Watch(home), targets.target(name)
        for seed in chosen.seeds():  # what is imported late is imported now
            with suppress(Exception):  # it comes again, as the first inputs do
                watch.examine(chosen.run, seed)
        place = kept.parent.parent
        seeding.write(chosen, place / "seeds" / name, place / f"{name}.dict")

    def one(data: bytes) -> None:
        try:
            watch.examine(chosen.run, data)
        except Exception as error:  # whatever it is, it is a finding
            _keep(kept, error, data, "" if isinstance(error, Finding) else traceback.format_exc())

    # A merge starts the first argument again, for each input that ends it.
    atheris.Setup([os.environ.get(PROGRAM, argv[0]), *arguments], one)
    atheris.Fuzz()  # does not return: who started this process removes what it made


class _Finder(AtherisMetaPathFinder):  # type: ignore[misc]  # atheris is not typed
    """Instruments some packages; atheris itself knows top-level ones only, and all of `fsm` takes ten seconds."""

    def __init__(self, readers: tuple[str, ...]) -> None:
        super().__init__({each.partition(".")[0] for each in readers}, set(), False, True)
        self._readers = readers

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Part of `importlib.abc.MetaPathFinder`; None where another finder is to be asked."""
        wanted = any(fullname == each or fullname.startswith(f"{each}.") for each in self._readers)
        return super().find_spec(fullname, path, target) if wanted else None


@contextmanager
def _instrumenting(readers: tuple[str, ...]) -> Iterator[None]:
    finder = _Finder(readers)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _keep(kept: Path, error: Exception, data: bytes, trace: str) -> None:
    """Remember an input that ended like this, where it is the shortest so far."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = [each for each in frames if "tests/fuzz" not in each.filename or "targets" in each.filename][-1:] or frames
    place = f"{Path(frame[-1].filename).stem}-{frame[-1].lineno}"
    path = kept / f"{type(error).__name__}-{place}"
    if not path.exists() or path.stat().st_size > len(data):
        kept.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"FINDING {path.name}: {type(error).__name__}: {str(error)[:300]}\n{trace}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv)
