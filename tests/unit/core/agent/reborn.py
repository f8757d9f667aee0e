"""An agent in the place of one that is gone: with its records, and with what is left of its containers."""

from __future__ import annotations

from collections.abc import Iterable

from mesos_service.core.agent.records import (
    Record,
)
from mesos_service.core.agent.replay import replay
from mesos_service.core.agent_messages import (
    ContainersRecovered,
    FoundContainer,
    Recover,
)
from mesos_service.core.effects import (
    AgentEffect,
)
from mesos_service.domain.ids import ContainerId
from tests.unit.core.agent.world import (
    World,
)


def reborn(before: World, records: Iterable[Record] | None = None, seed: int = 8) -> World:
    """A new agent with these records, or all of ``before``'s; it has not asked for its containers yet."""
    world = World(before.state.options, seed)
    world.now = before.now + 5.0
    world.records = list(before.records if records is None else records)
    replay(world.state, world.records)
    return world


def alive(container_id: ContainerId, pid: int = 100) -> FoundContainer:
    return FoundContainer(container_id=container_id, pid=pid, alive=True)


def ended(container_id: ContainerId, status: int, pid: int = 100) -> FoundContainer:
    return FoundContainer(container_id=container_id, pid=pid, alive=False, status=status)


def recover(world: World, *found: FoundContainer) -> list[AgentEffect]:
    """Ask for the containers, and be answered."""
    world.take(Recover())
    return world.take(ContainersRecovered(found))


def come_back(world: World) -> list[AgentEffect]:
    """Register again; what the master is told."""
    return world.reregister()
