"""One step under way: the state, the time, and what has been decided so far, in order."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.agent.records import Record
from mesos_service.core.agent.state import AgentState
from mesos_service.core.effects import AgentEffect, Checkpoint, SendMaster
from mesos_service.core.link import Uplink
from mesos_service.core.turn import BaseTurn
from mesos_service.domain.randomness import random_uuid


@dataclass(slots=True)
class Turn(BaseTurn[AgentState, AgentEffect]):
    """Handed to every handler of the agent's core."""

    def checkpoint(self, record: Record) -> None:
        """Write this down; whatever else is decided from here on waits until it is stored."""
        self.state.checkpoints += 1
        self.effects.append(Checkpoint(self.state.checkpoints, record))

    def tell_master(self, message: Uplink) -> None:
        """Send on the open link, or not at all: what must not be lost is kept elsewhere (X62)."""
        if self.state.link_id is not None:
            self.effects.append(SendMaster(self.state.link_id, self.state.agent_id, message))

    def new_uuid(self) -> bytes:
        return random_uuid(self.state.random)
