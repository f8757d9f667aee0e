"""One step under way: the state, the time, and what has been decided so far, in order."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.core.effects import MasterEffect, Persist, Reply, SendAgent, SendScheduler
from mesos_service.core.events import SchedulerEvent
from mesos_service.core.link import Downlink
from mesos_service.core.master.state import Agent, Framework, MasterState
from mesos_service.core.registry.operations import Operation
from mesos_service.core.turn import BaseTurn


@dataclass(slots=True)
class Turn(BaseTurn[MasterState, MasterEffect]):
    """Handed to every handler of the master's core."""

    def reply(self, request: int, status: int, text: str = "") -> None:
        self.effects.append(Reply(request, status, text))

    def tell(self, framework: Framework, event: SchedulerEvent) -> None:
        """Put an event on the framework's stream; without a stream nobody hears it, and nothing is kept (X11)."""
        if framework.stream_id is not None:
            self.effects.append(SendScheduler(framework.stream_id, event))

    def tell_agent(self, agent: Agent, message: Downlink) -> None:
        """Send on the agent's link; a disconnected agent hears nothing, and what matters is repeated later (X21)."""
        if agent.link_id is not None:
            self.effects.append(SendAgent(agent.link_id, agent.agent_id, message))

    def persist(self, operation: Operation, continuation: object) -> int:
        """Have an operation stored; ``step`` goes on with the continuation when it is (X16). Returns its number."""
        state = self.state
        state.operation_counter += 1
        number = state.operation_counter
        state.persisting[number] = (operation, continuation)
        self.effects.append(Persist(number, operation))
        return number
