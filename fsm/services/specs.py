"""What a configuration says of a service, whichever manager it has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fsm.services.command import CommandSpec
from fsm.services.docker.spec import ComposeSpec
from fsm.services.nothing import NoService
from fsm.services.process import ProcessSpec
from fsm.services.systemd import SystemdSpec

AnySpec = ProcessSpec | CommandSpec | SystemdSpec | ComposeSpec | NoService

ServiceSpec = Annotated[AnySpec, Field(discriminator="manager")]
"""How a configuration describes a service; `manager` says which kind it is."""
