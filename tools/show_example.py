"""The parts of `examples/adapter/data_file.py`, for the page that explains it; comments mark where each begins."""

from __future__ import annotations

from pathlib import Path
from typing import Final

EXAMPLE: Final = Path(__file__).resolve().parent.parent / "examples" / "adapter" / "data_file.py"
PARTS: Final = ("spec", "steps", "adapter")
"""The marks, in order."""


def part(name: str, path: Path = EXAMPLE) -> str:
    """The code from one mark to the next, as a block of Python.

    Raises:
        ValueError: the example has no such mark.
    """
    _, mark, after = path.read_text(encoding="utf-8").partition(f"\n# {name}\n")
    if not mark:
        raise ValueError(f"{path.name} has no line '# {name}'")
    following = PARTS[PARTS.index(name) + 1 :]
    code = after.partition(f"\n# {following[0]}\n")[0] if following else after
    return _block(code)


def imports(path: Path = EXAMPLE) -> str:
    """What stands before the first mark, without the module's docstring."""
    return _block(path.read_text(encoding="utf-8").partition(f"\n# {PARTS[0]}\n")[0].partition('"""\n')[2])


def _block(code: str) -> str:
    return f"\n```python\n{code.strip()}\n```\n\n"
