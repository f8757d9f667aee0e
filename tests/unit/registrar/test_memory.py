"""The registrar that keeps the registry in memory: in order, later, and all that came in one turn together."""

from __future__ import annotations

import asyncio

from mesos_service.core.registry.operations import AdmitAgent, RemoveAgent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId
from mesos_service.registrar.memory import MemoryRegistrar

A = AgentId("a")


def test_x16_what_is_stored_is_told_later_and_in_order() -> None:
    async def scenario() -> None:
        told: list[int] = []
        registrar = MemoryRegistrar(told.append)
        registrar.persist(1, AdmitAgent(A, AgentInfo(hostname="h")))
        registrar.persist(2, RemoveAgent(A))
        assert told == []
        await asyncio.sleep(0)
        assert told == [1, 2]
        assert registrar.registry.admitted == {}

    asyncio.run(scenario())


def test_an_operation_that_a_confirmation_causes_is_stored_in_its_turn() -> None:
    async def scenario() -> None:
        told: list[int] = []

        def persisted(number: int) -> None:
            told.append(number)
            if number == 1:
                registrar.persist(2, AdmitAgent(A, AgentInfo(hostname="h")))

        registrar = MemoryRegistrar(persisted)
        registrar.persist(1, RemoveAgent(A))
        await asyncio.sleep(0)
        assert told == [1]
        await asyncio.sleep(0)
        assert told == [1, 2]
        assert A in registrar.registry.admitted

    asyncio.run(scenario())
