"""Draws curves as SVG, for `docs/pictures`.

In a process of its own: pygal has an import hook of a form that Python warns about with every import that follows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import seconds
from benchmarks.rig import child, module

_POWERS: Final = tuple(10.0**power for power in range(-6, 6))


def draw(path: Path, title: str, unit: str, sizes: Sequence[int], lines: Mapping[str, Sequence[float]]) -> None:
    """Write a picture: seconds over sizes, both in powers.

    Args:
        path: of the file.
        title: what was done.
        unit: of the sizes.
        sizes: each about as many times the one before.
        lines: for each name, the seconds of each size.
    """
    path.parent.mkdir(exist_ok=True)
    about = {"title": title, "unit": unit, "sizes": list(sizes), "lines": dict(lines)}
    path.write_text(child(module("picture", json.dumps(about))), encoding="utf-8")


def _drawn(title: str, unit: str, sizes: list[int], lines: dict[str, list[float]]) -> str:
    import pygal  # noqa: PLC0415 - see the module
    from pygal.style import Style  # noqa: PLC0415 - likewise

    look = Style(
        background="#ffffff",
        plot_background="#ffffff",
        colors=("#0b6e99", "#c2571a", "#5c8a3a", "#7a4fa3"),
        font_family="sans-serif",
    )
    options: dict[str, Any] = {
        "title": title,
        "x_title": unit,
        "logarithmic": True,
        "value_formatter": seconds,
        "legend_at_bottom": True,
        "truncate_legend": -1,
        "width": 720,
        "height": 400,
        "js": (),
        "no_prefix": True,
    }
    chart = pygal.Line(style=look, **options)
    every = [each for found in lines.values() for each in found]
    inside = [power for power in _POWERS if power > min(every) / 10 and power < max(every) * 10]
    chart.x_labels, chart.y_labels = [f"{size:,}" for size in sizes], inside
    for name, found in lines.items():
        chart.add(name, found)
    # What would make it answer the mouse is a program, and different each time.
    return re.sub(r"<script.*?</script>", "", chart.render(is_unicode=True), flags=re.DOTALL)


if __name__ == "__main__":
    print(_drawn(**json.loads(sys.argv[1])))
