"""A master that begins with a registry, and the one that follows it with what it has stored."""

from __future__ import annotations

from dataclasses import replace

from mesos_service.core.effects import MasterEffect
from mesos_service.core.master import startup
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import MasterMessage, Persisted
from mesos_service.core.operator_messages import OperatorMarkGone
from mesos_service.core.registry.operations import apply
from mesos_service.core.registry.registry import Registry
from mesos_service.domain.ids import AgentId, MasterId
from tests.unit.core.master.world import Node, Scheduler, World


class Reign(World):
    """One master from its election on. ``registry`` is what a registrar has stored so far."""

    def __init__(
        self,
        registry: Registry | None = None,
        options: MasterOptions | None = None,
        number: int = 1,
        now: float = 1000.0,
    ) -> None:
        super().__init__(options=options, seed=number)
        self.state.master_id = MasterId(f"master-{number}")
        self.now = now
        self.number = number
        self.registry = registry or Registry()
        startup.start(self.state, self.registry, self.now)

    def _step(self, message: MasterMessage) -> list[MasterEffect]:
        if isinstance(message, Persisted):
            self.registry = apply(self.registry, [self.state.persisting[message.operation][0]])
        return super()._step(message)

    def successor(self, options: MasterOptions | None = None) -> Reign:
        """This master fails, with whatever was being stored, and another is elected at once."""
        return Reign(self.registry, options or self.state.options, self.number + 1, self.now)

    def mark_gone(self, agent_id: AgentId) -> list[MasterEffect]:
        return self.take(OperatorMarkGone(request=self.request(), agent_id=agent_id))


def follow(world: World, *parties: Node | Scheduler) -> None:
    """From now on these speak to the master of ``world``."""
    for party in parties:
        party.world = world
        if isinstance(party, Node):
            party.info = replace(party.info, agent_id=party.agent_id)
