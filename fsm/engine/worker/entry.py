"""A worker's program: run by its path, with ``python -I``, as the component's user.

``entry.py PARENT ADAPTER PATH...``: the engine's pid, the first adapter that is to be loaded, and where the engine
finds its modules. Descriptor 0 is the socket, 1 and 2 lead to the component's log. A spare one (`fsm.engine.spare`) is
run as root, has no adapter (an empty word), then the component types that it loads, and hears later whose worker it is.
"""

from __future__ import annotations

import gc
import os
import socket
import sys


def main(arguments: list[str]) -> None:  # pragma: no cover - runs in an interpreter of its own
    """Become a worker; returns when the engine has no more to ask."""
    gc.disable()  # nothing is garbage until it is all loaded
    parent, adapter, *paths = arguments
    types = paths.pop(0) if not adapter else ""
    sys.path += [path for path in paths if path not in sys.path]
    from fsm.system.inherited import no_plugins  # noqa: PLC0415 - found by what was added above

    no_plugins()
    line = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if not adapter:
        from fsm.engine.worker.become import become  # noqa: PLC0415 - as above

        adapter = become(line, types.split(","), int(parent))
    from fsm.engine.worker.confine import confine  # noqa: PLC0415 - as above

    confine(int(parent))
    from fsm.engine.worker.serve import serve  # noqa: PLC0415 - as above

    serve(line, adapter)


if __name__ == "__main__":  # pragma: no cover - as above
    main(sys.argv[1:])
