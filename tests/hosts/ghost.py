"""An engine that holds a published port for a container that is gone, as a power cut may leave it.

When the power fails while the engine puts a container on its network, the endpoint is on the disk with its ports, and
the record of the container's sandbox does not name it yet. At the next boot the engine takes the ports again, removes
the endpoint as a stale one, and gives ports back only with a sandbox, which is not there. Here the same is made on
purpose, in the store of a machine that is off: the sandbox's record names another endpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.hosts.home import BedError
from tests.hosts.machine import Machine

_STORE = "network/files/local-kv.db"


def forget_endpoint(host: Machine, endpoint: str) -> None:
    """Let a container's sandbox forget its endpoint.

    Args:
        host: a machine with an engine, whose power is off.
        endpoint: its id.

    Raises:
        BedError: no sandbox has that endpoint.
    """
    volume = json.loads(host.engine("volume", "inspect", host.name))[0]["Mountpoint"]
    store = Path(volume) / _STORE
    data, named = store.read_bytes(), f'"Eid":"{endpoint}"'.encode()
    if named not in data:
        raise BedError(f"no sandbox in the engine's store has the endpoint {endpoint}")
    other = f'"Eid":"{endpoint[:-1]}{"1" if endpoint.endswith("0") else "0"}"'.encode()
    store.write_bytes(data.replace(named, other))
