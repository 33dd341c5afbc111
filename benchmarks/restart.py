"""A bare stop and start of the app's service: ``python -m benchmarks.restart HOST-DIRECTORY PORT``.

With the same service manager, in a process of its own as an update has it, and nothing in between.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.rig import BareContext
from benchmarks.webapp import Site


def main() -> None:
    """Stop and start."""
    service = Site(Path(sys.argv[1]), int(sys.argv[2])).service()
    context = BareContext()
    service.stop(context)
    service.start(context)


if __name__ == "__main__":
    main()
